"""Why does a weight change?"""
