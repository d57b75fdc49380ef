"""How good are features?"""
