"""What does a grid of runs say?"""
