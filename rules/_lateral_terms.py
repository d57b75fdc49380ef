import math
from typing import final

import jax.numpy as jnp
from jaxtyping import Array, Float

from ._linear import Linear, outer_mean, symmetric
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
        return site.weights @ symmetric(outer_mean(upper[1], upper[0]))


@final
class UpperPositive(AbstractTerm):
    """Weights of all units above, through a positive semi-definite coupling."""

    upper: tuple[Linear, ...]
    lower: tuple[Linear, ...]

    def __call__(self, site: Site, upper: Above, lower: Below) -> Float[Array, "pre post"]:
        (reading,) = upper
        return site.weights @ outer_mean(reading, reading) / math.sqrt(reading.shape[0])


@final
class LowerLateral(AbstractTerm):
    """Weights from the other units below, through a symmetric coupling."""

    upper: tuple[Linear, ...]
    lower: tuple[Linear, ...]

    def __call__(self, site: Site, upper: Above, lower: Below) -> Float[Array, "pre post"]:
        return symmetric(outer_mean(lower[1], lower[0])) @ site.weights


@final
class SquaredUpperLateral(AbstractTerm):
    """Large weights of the other units above, through a symmetric coupling."""

    upper: tuple[Linear, ...]
    lower: tuple[Linear, ...]

    def __call__(self, site: Site, upper: Above, lower: Below) -> Float[Array, "pre post"]:
        coupled = _excess(site.weights) @ symmetric(outer_mean(upper[1], upper[0]))
        return coupled * jnp.sign(site.weights)


@final
class SquaredLowerLateral(AbstractTerm):
    """Large weights from the other units below, through a symmetric coupling."""

    upper: tuple[Linear, ...]
    lower: tuple[Linear, ...]

    def __call__(self, site: Site, upper: Above, lower: Below) -> Float[Array, "pre post"]:
        coupled = symmetric(outer_mean(lower[1], lower[0])) @ _excess(site.weights)
        return coupled * jnp.sign(site.weights)
