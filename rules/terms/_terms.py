import abc
from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..kernels._linear import couple, Linear, outer_mean
from ._site import Site, standardise


Above = Sequence[Float[Array, "reading post"]]
Below = Sequence[Float[Array, "reading pre"]]


class AbstractTerm(eqx.Module):
    """One reason for a weight to change. A rule adds up many; leaving one out of the tuple is its ablation.

    A term says what it reads from the hidden states of the units above and below, and the rule reads for all of its
    terms at once. The formulas are those of the code released with arXiv 1804.00222.
    """

    upper: eqx.AbstractVar[tuple[Linear, ...]]
    lower: eqx.AbstractVar[tuple[Linear, ...]]

    @abc.abstractmethod
    def __call__(self, site: Site, upper: Above, lower: Below) -> Float[Array, "pre post"]:
        """The change that the term asks for, from what its maps read; the rule subtracts it."""


@final
class WeightDecay(AbstractTerm):
    """The weight itself."""

    upper: tuple[Linear, ...] = ()
    lower: tuple[Linear, ...] = ()

    def __call__(self, site: Site, upper: Above, lower: Below) -> Float[Array, "pre post"]:
        return site.weights


@final
class LargeWeightDecay(AbstractTerm):
    """The weight's square, with its sign: acts on large weights."""

    upper: tuple[Linear, ...] = ()
    lower: tuple[Linear, ...] = ()

    def __call__(self, site: Site, upper: Above, lower: Below) -> Float[Array, "pre post"]:
        return site.weights * jnp.abs(site.weights)


@final
class Decorrelation(AbstractTerm):
    """Moves a unit's weights against those of the units that it is correlated with."""

    upper: tuple[Linear, ...] = ()
    lower: tuple[Linear, ...] = ()

    def __call__(self, site: Site, upper: Above, lower: Below) -> Float[Array, "pre post"]:
        y = standardise(site.activity.y)
        batch, post = y.shape
        pushed = couple(site.weights, y, y, batch * post**0.5)
        return pushed * jax.lax.rsqrt((pushed**2).mean() + 1e-8)


@final
class Hebbian(AbstractTerm):
    """The correlation between pre- and post-synaptic activity, strengthened."""

    upper: tuple[Linear, ...] = ()
    lower: tuple[Linear, ...] = ()

    def __call__(self, site: Site, upper: Above, lower: Below) -> Float[Array, "pre post"]:
        x, y = standardise(site.activity.x), standardise(site.activity.y)
        return -x.T @ y / x.shape[0]


@final
class ZerothOrder(AbstractTerm):
    """A product of what the two units' hidden states say, whatever the weight is."""

    upper: tuple[Linear, ...]
    lower: tuple[Linear, ...]

    def __call__(self, site: Site, upper: Above, lower: Below) -> Float[Array, "pre post"]:
        return outer_mean(lower[0], upper[0])


@final
class FirstOrder(AbstractTerm):
    """A product of what the two units' hidden states say, times the weight."""

    upper: tuple[Linear, ...]
    lower: tuple[Linear, ...]

    def __call__(self, site: Site, upper: Above, lower: Below) -> Float[Array, "pre post"]:
        return site.weights * outer_mean(lower[0], upper[0])


@final
class RadialBasis(AbstractTerm):
    """A product of what the two units' hidden states say, times exp(-w^2): largest where the weight w is small."""

    upper: tuple[Linear, ...]
    lower: tuple[Linear, ...]

    def __call__(self, site: Site, upper: Above, lower: Below) -> Float[Array, "pre post"]:
        return jnp.exp(-(site.weights**2)) * outer_mean(lower[0], upper[0])
