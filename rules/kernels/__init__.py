"""Which array operations must be fast?"""
