import dataclasses
from typing import final

import equinox as eqx
from jaxtyping import Array, Float


@final
class States(eqx.Module):
    """The channels of every unit and example, in the order in which they were computed.

    Channels come first where they can: what is done to all units and examples of a channel then runs through memory,
    several times as fast as over the few channels of an example. Convolutions want them last.
    """

    array: Float[Array, "_ _ _"]
    axis: int = eqx.field(static=True, default=0)  # of the channels: the first, or the last (-1)

    @property
    def first(self) -> Float[Array, "channel unit batch"]:
        return self.array if self.axis == 0 else self.array.transpose(2, 0, 1)

    @property
    def middle(self) -> Float[Array, "unit channel batch"]:
        return self.array.swapaxes(0, 1) if self.axis == 0 else self.array.swapaxes(1, 2)

    @property
    def last(self) -> Float[Array, "unit batch channel"]:
        return self.array if self.axis == -1 else self.array.transpose(1, 2, 0)

    def times(self, weight: Float[Array, "input output"]) -> "States":
        """Maps the channels, as a product of two matrices: its gradient in the weight is then one, too. XLA's CPU
        compiler takes up to twice as long for a sum over several axes."""
        inputs, outputs = weight.shape
        if self.axis == 0:
            mapped = (weight.T @ self.array.reshape(inputs, -1)).reshape(outputs, *self.array.shape[1:])
        else:
            mapped = (self.array.reshape(-1, inputs) @ weight).reshape(*self.array.shape[:-1], outputs)
        return dataclasses.replace(self, array=mapped)

    def plus(self, bias: Float[Array, " channel"]) -> "States":
        """Adds a number to every channel."""
        return dataclasses.replace(self, array=self.array + (bias[:, None, None] if self.axis == 0 else bias))
