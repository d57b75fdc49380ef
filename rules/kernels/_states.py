from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


@final
class States(eqx.Module):
    """The channels of every example and unit, in the order in which they were computed.

    Channels come first where they can: what is done to all examples and units of a channel then runs through memory,
    several times as fast as over the few channels of a unit. Convolutions want them last.
    """

    array: Float[Array, "_ batch _"]
    axis: int = eqx.field(static=True, default=0)  # of the channels: the first, or the last (-1)

    @property
    def first(self) -> Float[Array, "channel batch unit"]:
        """The array with its channels along the first axis."""
        return self.array if self.axis == 0 else self.array.T

    @property
    def last(self) -> Float[Array, "unit batch channel"]:
        """The array with its channels along the last axis."""
        return self.array if self.axis == -1 else self.array.T

    @classmethod
    def join(cls, parts: Sequence["States"], axis: int) -> "States":
        """The channels of all parts, in one order."""
        return cls(jnp.concatenate([part.along(axis) for part in parts], axis), axis)

    def along(self, axis: int) -> Float[Array, "_ batch _"]:
        """The array with its channels along the first axis, or the last (-1)."""
        return self.first if axis == 0 else self.last

    def replace(self, array: Float[Array, "_ batch _"]) -> "States":
        """Other states in the same order."""
        return States(array, self.axis)

    def times(self, weight: Float[Array, "input output"]) -> "States":
        """Maps the channels, as a product of two matrices: its gradient in the weight is then one, too. XLA's CPU
        compiler takes up to twice as long for a sum over several axes."""
        inputs, outputs = weight.shape
        if self.axis == 0:
            return self.replace((weight.T @ self.array.reshape(inputs, -1)).reshape(outputs, *self.array.shape[1:]))
        return self.replace((self.array.reshape(-1, inputs) @ weight).reshape(*self.array.shape[:-1], outputs))

    def plus(self, bias: Float[Array, " channel"]) -> "States":
        """Adds a number to every channel."""
        return self.replace(self.array + (bias[:, None, None] if self.axis == 0 else bias))
