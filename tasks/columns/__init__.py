"""How do the columns of a table, of any kind, become numbers?"""
