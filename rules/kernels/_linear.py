import itertools
import math
from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ._states import States


def fan_in_normal(key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Normal numbers truncated at two, scaled by the root of the fan-in (all axes but the last)."""
    return jr.truncated_normal(key, -2.0, 2.0, shape) / math.sqrt(math.prod(shape[:-1]))


@final
class Linear(eqx.Module):
    """An affine map of the last axis, or of the channels of states."""

    weight: Float[Array, "input output"]
    bias: Float[Array, " output"]

    @classmethod
    def create(cls, inputs: int, outputs: int, key: PRNGKeyArray) -> "Linear":
        """A map with random weights and no bias."""
        return cls(fan_in_normal(key, (inputs, outputs)), jnp.zeros(outputs))

    def __call__(self, values: Float[Array, "*any input"]) -> Float[Array, "*any output"]:
        return values @ self.weight + self.bias

    def of(self, states: States) -> States:
        """Maps the channels of states."""
        return states.times(self.weight).plus(self.bias)


def read_together(readouts: Sequence[Linear], hidden: States) -> list[Float[Array, "reading unit"]]:
    """What each of several affine maps reads from the same hidden states, as one matrix product. A unit's readings are
    those of all channels and examples."""
    if not readouts:
        return []
    weight = jnp.concatenate([readout.weight for readout in readouts], 1)
    bias = jnp.concatenate([readout.bias for readout in readouts])
    borders = list(itertools.accumulate(readout.bias.shape[0] for readout in readouts))[:-1]
    read = Linear(weight, bias).of(hidden)
    parts = jnp.split(read.array, borders, read.axis)
    if read.axis == 0:
        return [part.reshape(-1, part.shape[2]) for part in parts]
    return [part.reshape(part.shape[0], -1).T for part in parts]


def outer_mean(rows: Float[Array, "reading pre"], columns: Float[Array, "reading post"]) -> Float[Array, "pre post"]:
    """A matrix of low rank between two populations: the mean product of their readings."""
    return rows.T @ columns / rows.shape[0]


def couple(
    weights: Float[Array, "other unit"],
    rows: Float[Array, "reading unit"],
    columns: Float[Array, "reading unit"],
    scale: float = 1.0,
) -> Float[Array, "other unit"]:
    """`weights @ (rows.T @ columns / scale)`, in the order of fewer multiplications: for wide layers that is the one
    without a matrix of units by units."""
    size, units = rows.shape
    others = weights.shape[0]
    if units * (size + others) <= 2 * others * size:  # Fewer multiplications.
        return weights @ (rows.T @ columns / scale)
    return (weights @ rows.T) @ columns / scale


def couple_laterally(
    weights: Float[Array, "other unit"],
    rows: Float[Array, "reading unit"],
    columns: Float[Array, "reading unit"],
) -> Float[Array, "other unit"]:
    """Weights times a coupling between units: the mean product of their readings, made symmetric, without
    self-coupling, scaled by the root of the number of units. In the order of `couple`."""
    size, units = rows.shape
    others = weights.shape[0]
    if units * (size + others) <= 4 * others * size:  # Fewer multiplications.
        coupling = outer_mean(rows, columns)
        coupling = (coupling + coupling.T) / math.sqrt(2)
        return weights @ (coupling * (1 - jnp.eye(units)) / math.sqrt(units))
    both = (weights @ rows.T) @ columns + (weights @ columns.T) @ rows
    return (both - 2 * weights * (rows * columns).sum(0)) / (size * math.sqrt(2 * units))
