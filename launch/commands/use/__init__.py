"""What is a rule worth on data, and how do its features get out?"""
