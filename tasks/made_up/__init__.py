"""Which data need no file?"""
