from collections.abc import Callable, Sequence
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..errors import BadInput
from ._patches import Patches
from ._synapse import Activity, Synapse
from ._wire import AbstractWire, Straight


@final
class Connection(eqx.Module):
    """A synapse, the wire in front of it, and the number of the population that the wire comes from (0: the inputs)."""

    synapse: Synapse
    wire: AbstractWire = Straight()
    source: int = eqx.field(static=True, default=0)


@final
class Layer(eqx.Module):
    """A population of units and the connections that arrive at it: products, batch normalisation, bias, nonlinearity.

    The products of all connections are summed, and so are their biases. Batch normalisation has no gain and always uses
    the statistics of the batch at hand, over examples and places (arXiv 1804.00222, released code); with `epsilon` None
    there is none. `skip` is the number of a population of the same shape whose values are added to the activations.
    Raises `BadInput` when called, if the connections' places or the skip's shape differ.
    """

    connections: tuple[Connection, ...]
    activation: Callable[[Array], Array] = eqx.field(static=True)
    epsilon: float | None = eqx.field(static=True, default=1e-6)
    skip: int | None = eqx.field(static=True, default=None)

    def __call__(
        self, values: Sequence[Float[Array, "example ... _unit"]]
    ) -> tuple[Float[Array, "example ... _unit"], tuple[Activity, ...], tuple[PyTree, ...]]:
        """Returns the population's values and, for each connection, what its units did and its wire's context.

        `values` are those of all populations below, inputs first.
        """
        received, contexts = self.receive(values)
        places = received[0].shape[:-1]
        if any(each.shape[:-1] != places for each in received):
            shapes = ", ".join(str(each.shape) for each in received)
            raise BadInput(
                f"The connections of one layer must arrive at the same places; got values of shapes {shapes}."
            )
        z = self.normalised(self.sums(received)) + self.bias
        y = self.activation(z)
        activities = tuple(Activity(_rows(x), z, y) for x in received)
        return self._with_skip(y.reshape(*places, -1), values), activities, contexts

    def values(self, values: Sequence[Float[Array, "example ... _unit"]]) -> Float[Array, "example ... _unit"]:
        """The population's values, as a call returns them, and nothing that only a rule would look at."""
        sums = self.products(values)
        y = self.activation(self.normalised(_rows(sums)) + self.bias)
        return self._with_skip(y.reshape(sums.shape), values)

    def products(self, values: Sequence[Float[Array, "example ... _unit"]]) -> Float[Array, "example ... unit"]:
        """The sum of all connections' products at every place, before normalisation and bias."""
        return total([_product(each, values) for each in self.connections])

    def receive(
        self, values: Sequence[Float[Array, "example ... _unit"]]
    ) -> tuple[list[Float[Array, "example ... _pre"]], tuple[PyTree, ...]]:
        """What arrives at each synapse, and each wire's context."""
        contexts = tuple(connection.wire.context(values) for connection in self.connections)
        pairs = zip(self.connections, contexts)
        return [each.wire.up(values[each.source], context) for each, context in pairs], contexts

    def sums(self, received: Sequence[Float[Array, "example ... _pre"]]) -> Float[Array, "row unit"]:
        """The sum of all connections' products, before normalisation and bias."""
        return total([_rows(x) @ each.synapse.w for each, x in zip(self.connections, received)])

    @property
    def synapses(self) -> tuple[Synapse, ...]:
        """The synapse of each connection."""
        return tuple(each.synapse for each in self.connections)

    @property
    def bias(self) -> Float[Array, " unit"]:
        """The sum of all connections' biases."""
        return total([each.synapse.b for each in self.connections])

    def normalised(self, sums: Float[Array, "row unit"]) -> Float[Array, "row unit"]:
        """The sums after batch normalisation, before the bias; as they are where there is none."""
        if self.epsilon is None:
            return sums
        centred = sums - sums.mean(0)
        return centred * jax.lax.rsqrt((centred**2).mean(0) + self.epsilon)

    def _with_skip(
        self, y: Float[Array, "example ... unit"], values: Sequence[Float[Array, "example ... _unit"]]
    ) -> Float[Array, "example ... unit"]:
        if self.skip is None:
            return y
        if values[self.skip].shape != y.shape:
            raise BadInput(f"A skip needs values of the layer's shape, {y.shape}; got {values[self.skip].shape}.")
        return y + values[self.skip]


def _product(
    connection: Connection, values: Sequence[Float[Array, "example ... _unit"]]
) -> Float[Array, "example ... unit"]:
    below, wire, weights = values[connection.source], connection.wire, connection.synapse.w
    if isinstance(wire, Patches):
        return wire.products(below, weights)
    return wire.up(below, wire.context(values)) @ weights


def total(parts: Sequence[Array]) -> Array:
    """The sum of arrays; a single one as it is."""
    first, *others = parts
    for other in others:
        first = jnp.add(first, other)
    return first


def _rows(values: Float[Array, "example *place unit"]) -> Float[Array, "row unit"]:
    return values.reshape(-1, values.shape[-1])
