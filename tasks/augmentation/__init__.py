"""How do tasks vary their images?"""
