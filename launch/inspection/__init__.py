"""What does a rule do to a weight?"""
