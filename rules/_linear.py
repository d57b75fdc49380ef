import math
from typing import final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray


def fan_in_normal(key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Normal numbers truncated at two, scaled by the root of the fan-in (all axes but the last)."""
    return jr.truncated_normal(key, -2.0, 2.0, shape) / math.sqrt(math.prod(shape[:-1]))


@final
class Linear(eqx.Module):
    """An affine map of the last axis, shared by every unit and example."""

    weight: Float[Array, "input output"]
    bias: Float[Array, " output"]

    @classmethod
    def create(cls, inputs: int, outputs: int, key: PRNGKeyArray) -> "Linear":
        return cls(fan_in_normal(key, (inputs, outputs)), jnp.zeros(outputs))

    def __call__(self, values: Float[Array, "*any input"]) -> Float[Array, "*any output"]:
        return values @ self.weight + self.bias


@final
class LowRank(eqx.Module):
    """A matrix between two populations, read from their hidden states: a sum over batch and channels of products.

    Its rank is at most batch x channels. `bottom` reads the rows, `top` the columns (arXiv 1804.00222, appendix B).
    """

    top: Linear
    bottom: Linear

    @classmethod
    def create(cls, hidden: int, channels: int, key: PRNGKeyArray) -> "LowRank":
        top, bottom = jr.split(key)
        return cls(Linear.create(hidden, channels, top), Linear.create(hidden, channels, bottom))

    def __call__(
        self, columns: Float[Array, "post batch hidden"], rows: Float[Array, "pre batch hidden"]
    ) -> Float[Array, "pre post"]:
        return outer_mean(self.bottom(rows), self.top(columns))


def outer_mean(
    rows: Float[Array, "pre batch channel"], columns: Float[Array, "post batch channel"]
) -> Float[Array, "pre post"]:
    """The product of two populations' readings, averaged over batch and channels."""
    size = rows.shape[1] * rows.shape[2]
    return rows.reshape(-1, size) @ columns.reshape(-1, size).T / size


def symmetric(readout: Float[Array, "unit unit"]) -> Float[Array, "unit unit"]:
    """Makes a lateral coupling: symmetric, without self-coupling, scaled by the root of the number of units."""
    units = readout.shape[0]
    coupling = (readout + readout.T) / math.sqrt(2)
    return (coupling - jnp.diag(jnp.diag(coupling))) / math.sqrt(units)
