"""What is a data set, and how does data of any form become inputs?"""
