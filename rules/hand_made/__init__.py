"""Which rules are not learned?"""
