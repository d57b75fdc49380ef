"""Which data sets are known by name, and where do their files belong?"""
