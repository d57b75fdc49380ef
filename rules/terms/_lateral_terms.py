import math
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..kernels._linear import couple, couple_laterally, Linear
from ._site import Site
from ._terms import Above, AbstractTerm, Below


# A weight change that depends on the weights of other units of the same population, through a learned lateral
# coupling. `Upper` couples the units above (columns), `Lower` those below (rows); `Squared` forms act on the
# excess of large weights, sqrt(1 + w^2) - 1, and keep their sign.


def _excess(weights: Float[Array, "pre post"]) -> Float[Array, "pre post"]:
    return jnp.sqrt(1 + weights**2) - 1


@final
class UpperLateral(AbstractTerm):
    """Weights of the other units above, through a symmetric coupling."""

    upper: tuple[Linear, ...]
    lower: tuple[Linear, ...]

    def __call__(self, site: Site, upper: Above, lower: Below) -> Float[Array, "pre post"]:
        return couple_laterally(site.weights, upper[1], upper[0])


@final
class UpperPositive(AbstractTerm):
    """Weights of all units above, through a positive semi-definite coupling."""

    upper: tuple[Linear, ...]
    lower: tuple[Linear, ...]

    def __call__(self, site: Site, upper: Above, lower: Below) -> Float[Array, "pre post"]:
        (reading,) = upper
        size, units = reading.shape
        return couple(site.weights, reading, reading, size * math.sqrt(units))


@final
class LowerLateral(AbstractTerm):
    """Weights from the other units below, through a symmetric coupling."""

    upper: tuple[Linear, ...]
    lower: tuple[Linear, ...]

    def __call__(self, site: Site, upper: Above, lower: Below) -> Float[Array, "pre post"]:
        return couple_laterally(site.weights.T, lower[1], lower[0]).T


@final
class SquaredUpperLateral(AbstractTerm):
    """Large weights of the other units above, through a symmetric coupling."""

    upper: tuple[Linear, ...]
    lower: tuple[Linear, ...]

    def __call__(self, site: Site, upper: Above, lower: Below) -> Float[Array, "pre post"]:
        return couple_laterally(_excess(site.weights), upper[1], upper[0]) * jnp.sign(site.weights)


@final
class SquaredLowerLateral(AbstractTerm):
    """Large weights from the other units below, through a symmetric coupling."""

    upper: tuple[Linear, ...]
    lower: tuple[Linear, ...]

    def __call__(self, site: Site, upper: Above, lower: Below) -> Float[Array, "pre post"]:
        return couple_laterally(_excess(site.weights).T, lower[1], lower[0]).T * jnp.sign(site.weights)
