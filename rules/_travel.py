from collections.abc import Iterator, Sequence
from typing import Any

import jax
from jaxtyping import Array, Float

from ..models import Connection, Mixing, Synapse
from .kernels._states import States


# How states and signals go along the wires of a base model, for every rule whose units have some.

Carried = tuple[Float[Array, "example ... _unit"], Any]
"""The values of the population that a wire comes from, and the wire's context."""


def raised(connection: Connection, states: States, carried: Carried) -> States:
    """States of the population below as the synapse receives them."""
    values, context = carried
    first = states.first.reshape(-1, *values.shape)
    up = connection.wire.up(first, context)
    return _in_order(up.reshape(len(up), -1, up.shape[-1]), states.axis)


def sent_down(connection: Connection, signal: States, carried: Carried) -> Iterator[tuple[int, States]]:
    """The populations that a signal at the synapse goes to, by their numbers, and the signal as each receives it."""
    lowered, wire = _lowered(connection, signal, carried), connection.wire
    yield connection.source, lowered
    if isinstance(wire, Mixing):  # A token's query hears of itself, its key of all whom it goes into.
        yield wire.query, signal
        yield wire.key, lowered


def total(parts: Sequence[States]) -> States:
    """The sum of signals that arrive at one population."""
    first, *others = parts
    for other in others:
        first = first.replace(first.array + other.along(first.axis))
    return first


def divided_bias(change: Synapse, parts: int) -> Synapse:
    """The change of one of so many synapses of a unit, whose bias is the sum of theirs."""
    return change if parts == 1 else Synapse(change.w, change.b / parts, change.v)


def _lowered(connection: Connection, signal: States, carried: Carried) -> States:
    values, context = carried
    like = jax.ShapeDtypeStruct((len(signal.first), *values.shape), signal.array.dtype)
    places = jax.eval_shape(lambda x: connection.wire.up(x, context), like).shape
    down = connection.wire.down(signal.first.reshape(places), like, context)
    return _in_order(down.reshape(len(down), -1, down.shape[-1]), signal.axis)


def _in_order(first: Float[Array, "channel row unit"], axis: int) -> States:
    return States(first) if axis == 0 else States(first.T, axis)
