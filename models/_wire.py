import abc
from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax
from jaxtyping import Array, Float, PyTree


Values = Float[Array, "*axes unit"]
"""[*channel, example, *place, unit]: states and signals have a channel in front, activations none."""


class AbstractWire(eqx.Module):
    """The way from a population to what a synapse receives: without weights, and linear in what it carries.

    A synapse multiplies rows by a matrix. A wire in front of it decides what a row is: the whole example, a patch of an
    image (then the synapse is a convolution), a mixture of tokens (then it is attention). Activations, hidden states
    and error signals all travel along the same wire, so that a rule needs no case for any of them.
    """

    @abc.abstractmethod
    def context(self, values: Sequence[Float[Array, "example ... _unit"]]) -> PyTree:
        """What the wire needs to know of a batch beside what it carries; None if nothing.

        `values` are those of all populations below, inputs first.
        """

    @abc.abstractmethod
    def up(self, values: Values, context: PyTree) -> Float[Array, "*axes_above pre"]:
        """Carries values of the population below to the synapse. There may be channels in front of the examples."""

    @abc.abstractmethod
    def fold(self, weights: Float[Array, "pre post"], units: int) -> Float[Array, "unit other"]:
        """The synapse's weights by unit of the population below, which has so many units at each place."""

    def down(self, signal: Float[Array, "*axes_above pre"], like: jax.ShapeDtypeStruct, context: PyTree) -> Values:
        """Carries an error signal back: the transpose of `up`, for values of this shape and type."""
        return jax.linear_transpose(lambda values: self.up(values, context), like)(signal)[0]


@final
class Straight(AbstractWire):
    """The values as they are: a synapse behind it is fully connected."""

    def context(self, values: Sequence[Float[Array, "example ... _unit"]]) -> None:
        return None

    def up(self, values: Values, context: PyTree) -> Values:
        return values

    def fold(self, weights: Float[Array, "pre post"], units: int) -> Float[Array, "pre post"]:
        return weights


@final
class Flatten(AbstractWire):
    """All places of an example in one row, such as the pixels of an image: a synapse behind it sees the whole."""

    places: int = eqx.field(static=True)
    """Number of axes that places have."""

    def context(self, values: Sequence[Float[Array, "example ... _unit"]]) -> None:
        return None

    def up(self, values: Values, context: PyTree) -> Float[Array, "*axes_above pre"]:
        return values.reshape(*values.shape[: values.ndim - self.places - 1], -1)

    def fold(self, weights: Float[Array, "pre post"], units: int) -> Float[Array, "unit other"]:
        return by_unit(weights, units)


def by_unit(weights: Float[Array, "pre post"], units: int) -> Float[Array, "unit other"]:
    """The weights of a synapse that receives the units of one place after the other, by unit."""
    return weights.reshape(-1, units, weights.shape[1]).swapaxes(0, 1).reshape(units, -1)
