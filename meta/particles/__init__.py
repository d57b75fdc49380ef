"""How do many inner unrolls become one estimate?"""
