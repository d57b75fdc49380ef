"""What can this machine do, and what comes from elsewhere?"""
