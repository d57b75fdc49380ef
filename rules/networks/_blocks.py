import abc
import functools
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ...errors import BadInput
from ..kernels._correlate import correlate
from ..kernels._keep import keep
from ..kernels._linear import fan_in_normal, Linear
from ..kernels._states import States


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _variance(values: Array, mean: Array, axes: tuple[int, int]) -> Array:
    """The variance over these axes, with a derivative that leaves out the mean's own share, which is zero, and needs
    no centred values: JAX's would keep them, write their gradient out and sum that up."""
    return ((values - mean) ** 2).mean(axes, keepdims=True)


@_variance.defjvp
def _(axes, primals, tangents):
    (values, mean), (d_values, _) = primals, tangents
    return _variance(values, mean, axes), 2 * (values * d_values - mean * d_values).mean(axes, keepdims=True)


@functools.partial(jax.jit, static_argnums=2)  # Blocks of one shape are traced once.
def batch_norm(values: Float[Array, "_ _ _"], offset: Float[Array, " channel"], axis: int = 0) -> Float[Array, "_ _ _"]:
    """Standardises every channel over both other axes, with the statistics at hand, and adds an offset. Channels lie
    along the first axis, or the last (-1)."""
    others = (1, 2) if axis == 0 else (0, 1)
    mean = keep(values.mean(others, keepdims=True))
    scale = jax.lax.rsqrt(keep(_variance(values, mean, others)) + 1e-3)
    # Not scale * (values - mean) + offset, of which XLA would keep the difference: memory that is written and read.
    return values * scale + (jnp.expand_dims(offset, others) - mean * scale)


def _rectified(states: States, offset: Float[Array, " channel"]) -> States:
    """Batch normalisation and ReLU."""
    return States(jax.nn.relu(batch_norm(states.array, offset, states.axis)), states.axis)


@final
class Convolution(eqx.Module):
    """A cross-correlation along the batch, with zero padding."""

    weight: Float[Array, "width input output"]
    bias: Float[Array, " output"]

    @classmethod
    def create(cls, shape: tuple[int, int, int], key: PRNGKeyArray) -> "Convolution":
        """A random convolution without bias, of this shape: (taps along the batch, channels in, channels out)."""
        return cls(fan_in_normal(key, shape), jnp.zeros(shape[-1]))

    def __call__(self, states: States) -> States:
        return self.without_bias(states).plus(self.bias)

    def without_bias(self, states: States) -> States:
        """The sum over inputs and taps alone."""
        if self.weight.shape[0] == 1:
            return states.times(self.weight[0])
        return States(correlate(states.last, self.weight, 1), -1)


class AbstractBlock(eqx.Module):
    """A stage of a per-neuron network: the same small computation for every unit and example."""

    @abc.abstractmethod
    def __call__(self, states: States) -> States:
        """Maps the channels of every example and unit."""


@final
class BatchMixing(AbstractBlock):
    """Convolution along the batch, batch normalisation, ReLU. Width 1 lets no example see another one.

    The convolution's bias is left out of the sum: the normalisation would take it away again.
    """

    convolution: Convolution
    offset: Float[Array, " output"]

    @classmethod
    def create(cls, shape: tuple[int, int, int], key: PRNGKeyArray) -> "BatchMixing":
        """A block whose convolution has this shape, (taps along the batch, channels in, channels out)."""
        return cls(Convolution.create(shape, key), jnp.zeros(shape[-1]))

    def __call__(self, states: States) -> States:
        return _rectified(self.convolution.without_bias(states), self.offset)


@final
class NeighbourMixing(AbstractBlock):
    """Two convolutions along the units, added to what goes in: neighbours in index exchange their states."""

    first: BatchMixing
    second: BatchMixing

    @classmethod
    def create(cls, channels: int, key: PRNGKeyArray) -> "NeighbourMixing":
        """A block for so many channels, which sees a unit and its two neighbours."""
        first, second = jr.split(key)
        shape = (3, channels, channels)
        return cls(BatchMixing.create(shape, first), BatchMixing.create(shape, second))

    def __call__(self, states: States) -> States:
        values = states.last
        for block in (self.first, self.second):
            mixed = correlate(states.last, block.convolution.weight, 0)
            states = _rectified(States(mixed, -1), block.offset)
        return States(values + states.last, -1)


@final
class DenseUnitMixing(AbstractBlock):
    """A convolution along the batch whose channels are the units: it fits one number of units only.

    Raises `BadInput` for another number.
    """

    block: BatchMixing

    @classmethod
    def create(cls, units: int, key: PRNGKeyArray) -> "DenseUnitMixing":
        """A block for so many units, which sees an example and its two neighbours in the batch."""
        return cls(BatchMixing.create((3, units, units), key))

    def __call__(self, states: States) -> States:
        values, units = states.first, self.block.offset.shape[0]
        if values.shape[2] != units:
            raise BadInput(
                f"This rule fits base models with {units} features, not {values.shape[2]}: its top error network mixes "
                "all of them; give it a network that ends in so many units."
            )
        # A channel takes the place of a unit, and a unit that of a channel.
        return States(self.block(States(values, -1)).last)


@final
class PooledMixing(AbstractBlock):
    """Every unit hears the mean state of its population on the same example: it fits any number of units."""

    linear: Linear
    offset: Float[Array, " channel"]

    @classmethod
    def create(cls, channels: int, key: PRNGKeyArray) -> "PooledMixing":
        """A block for so many channels."""
        return cls(Linear.create(channels, channels, key), jnp.zeros(channels))

    def __call__(self, states: States) -> States:
        values = states.first
        pooled = self.linear.of(States(values.mean(2, keepdims=True)))
        return States(values + _rectified(pooled, self.offset).first)
