from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._wire import AbstractWire, Values


@final
class Mixing(AbstractWire):
    """Mixtures of an example's tokens: a synapse behind it is the output of attention (arXiv 1706.03762).

    Every place is a token. How much of each token goes into another one is the softmax of the scaled products of
    queries and keys, which are populations of their own with the places and units of the one that is mixed. Units are
    shared out among heads, each with weights of its own. Given these weights the wire is linear.
    """

    query: int = eqx.field(static=True)
    """The number of the population of queries."""
    key: int = eqx.field(static=True)
    """The number of the population of keys."""
    heads: int = eqx.field(static=True, default=1)
    """Parts of the units; their number must divide that of the units."""
    places: int = eqx.field(static=True, default=2)
    """Number of axes that places have."""

    def context(self, values: Sequence[Float[Array, "example ... _unit"]]) -> Float[Array, "example head token token"]:
        queries, keys = (self._tokens(values[each]) for each in (self.query, self.key))
        scale = queries.shape[-1] ** -0.5
        return jax.nn.softmax(scale * jnp.einsum("ethu,eshu->ehts", queries, keys))

    def up(self, values: Values, context: Float[Array, "example head token token"]) -> Values:
        return jnp.einsum("ehts,...eshu->...ethu", context, self._tokens(values)).reshape(values.shape)

    def fold(self, weights: Float[Array, "pre post"], units: int) -> Float[Array, "pre post"]:
        return weights

    def _tokens(self, values: Values) -> Float[Array, "... token head part"]:
        *axes, units = values.shape
        return values.reshape(*axes[: len(axes) - self.places], -1, self.heads, units // self.heads)
