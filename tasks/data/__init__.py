"""What is a data set, and how is a user's file read?"""
