"""How does one run of meta-training go?"""
