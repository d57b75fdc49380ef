import dataclasses
import functools
from typing import final

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ._bilinear import AbstractBilinear
from ._keep import keep
from ._states import States


def unit_length(signal: States) -> States:
    """Scales every example's signal to every unit to a root mean square of one over its channels."""
    square = _MeanProduct(signal.axis)(signal.array, signal.array)
    scale = jax.lax.rsqrt(1e-6 + keep(square))
    return signal.replace(_Scaling(signal.axis)(signal.array, scale))


# A sum over first channels XLA's CPU compiler joins with the product of matrices before it or with what comes after,
# and then takes two to three times as long. In the order of the two functions below it does not.


@final
@dataclasses.dataclass(frozen=True)
class _MeanProduct(AbstractBilinear):
    """The mean product of two signals over their channels."""

    axis: int

    def forward(self, left: Array, right: Array, /) -> Array:
        if self.axis == 0:
            return functools.reduce(jnp.add, [one * other for one, other in zip(left, right)])[None] / len(left)
        return (left * right).mean(self.axis, keepdims=True)

    def to_left(self, gradient: Array, right: Array, /) -> Array:
        return gradient * right / right.shape[self.axis]

    to_right = to_left


@final
@dataclasses.dataclass(frozen=True)
class _Scaling(AbstractBilinear):
    """A signal times one number for all of its channels."""

    axis: int

    def forward(self, left: Array, right: Array, /) -> Array:
        return left * right

    def to_left(self, gradient: Array, right: Array, /) -> Array:
        return gradient * right

    def to_right(self, gradient: Array, left: Array, /) -> Array:
        products = gradient * left
        while self.axis == 0 and len(products) > 2:
            half = len(products) // 2
            folded = products[:half] + products[half : 2 * half]
            products = jnp.concatenate([folded, products[2 * half :]])
        return products.sum(self.axis, keepdims=True)
