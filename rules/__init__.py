"""How a weight changes: the learned rule, its terms, hand-made rules."""

from ._rule import AbstractRule as AbstractRule
