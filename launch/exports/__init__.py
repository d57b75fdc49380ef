"""In which other forms does a fitted encoder run?"""
