import itertools
import math
from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray


def fan_in_normal(key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Normal numbers truncated at two, scaled by the root of the fan-in (all axes but the last)."""
    return jr.truncated_normal(key, -2.0, 2.0, shape) / math.sqrt(math.prod(shape[:-1]))


def product(values: Float[Array, "*any input"], weight: Float[Array, "input output"]) -> Float[Array, "*any output"]:
    """`values @ weight` as a product of two matrices: its gradient in the weight is then one, too. XLA's CPU compiler
    takes up to twice as long for a sum over several axes."""
    rows = values.reshape(-1, weight.shape[0])
    return (rows @ weight).reshape(*values.shape[:-1], weight.shape[1])


@final
class Linear(eqx.Module):
    """An affine map of the last axis, shared by every unit and example."""

    weight: Float[Array, "input output"]
    bias: Float[Array, " output"]

    @classmethod
    def create(cls, inputs: int, outputs: int, key: PRNGKeyArray) -> "Linear":
        return cls(fan_in_normal(key, (inputs, outputs)), jnp.zeros(outputs))

    def __call__(self, values: Float[Array, "*any input"]) -> Float[Array, "*any output"]:
        return product(values, self.weight) + self.bias


def read_together(
    readouts: Sequence[Linear], hidden: Float[Array, "unit batch hidden"]
) -> list[Float[Array, "unit batch _"]]:
    """What each of several affine maps reads from the same hidden states, as one matrix product."""
    if not readouts:
        return []
    weight = jnp.concatenate([readout.weight for readout in readouts], 1)
    bias = jnp.concatenate([readout.bias for readout in readouts])
    borders = list(itertools.accumulate(readout.bias.shape[0] for readout in readouts))[:-1]
    return jnp.split(product(hidden, weight) + bias, borders, axis=-1)


def outer_mean(
    rows: Float[Array, "pre batch channel"], columns: Float[Array, "post batch channel"]
) -> Float[Array, "pre post"]:
    """A matrix of low rank between two populations: the product of their readings, averaged over batch and channels."""
    size = rows.shape[1] * rows.shape[2]
    return rows.reshape(-1, size) @ columns.reshape(-1, size).T / size


def couple(
    weights: Float[Array, "other unit"],
    rows: Float[Array, "unit size"],
    columns: Float[Array, "unit size"],
    scale: float = 1.0,
) -> Float[Array, "other unit"]:
    """`weights @ (rows @ columns.T / scale)`, in the order of fewer multiplications: for wide layers that is the one
    without a matrix of units by units."""
    units, size = rows.shape
    others = weights.shape[0]
    if units * (size + others) <= 2 * others * size:  # Fewer multiplications.
        return weights @ (rows @ columns.T / scale)
    return (weights @ rows) @ columns.T / scale


def couple_laterally(
    weights: Float[Array, "other unit"],
    rows: Float[Array, "unit batch channel"],
    columns: Float[Array, "unit batch channel"],
) -> Float[Array, "other unit"]:
    """Weights times a coupling between units: the product of their readings, averaged over batch and channels, made
    symmetric, without self-coupling, scaled by the root of the number of units. In the order of `couple`."""
    units = rows.shape[0]
    size = rows.shape[1] * rows.shape[2]
    others = weights.shape[0]
    if units * (size + others) <= 4 * others * size:  # Fewer multiplications.
        coupling = outer_mean(rows, columns)
        coupling = (coupling + coupling.T) / math.sqrt(2)
        return weights @ (coupling * (1 - jnp.eye(units)) / math.sqrt(units))
    rows, columns = rows.reshape(units, size), columns.reshape(units, size)
    both = (weights @ rows) @ columns.T + (weights @ columns) @ rows.T
    return (both - 2 * weights * (rows * columns).sum(1)) / (size * math.sqrt(2 * units))
