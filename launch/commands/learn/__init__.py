"""How is a rule learned, and what of it matters?"""
