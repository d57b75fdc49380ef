import abc
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ..tasks import BadInput
from ._correlate import correlate
from ._linear import fan_in_normal, Linear


@jax.custom_jvp
def _variance(values: Float[Array, "first second channel"]) -> Float[Array, " channel"]:
    """The variance of every channel, with a derivative that leaves out the mean's own share, which is zero, and needs
    no centred values: JAX's would keep them, write their gradient out and sum that up."""
    return ((values - values.mean((0, 1))) ** 2).mean((0, 1))


@_variance.defjvp
def _(primals, tangents):
    (values,), (d_values,) = primals, tangents
    mean = values.mean((0, 1))
    return _variance(values), 2 * (values * d_values - mean * d_values).mean((0, 1))


@jax.jit  # Blocks of one shape are traced once.
def batch_norm(
    values: Float[Array, "first second channel"], offset: Float[Array, " channel"]
) -> Float[Array, "first second channel"]:
    """Standardises every channel over both leading axes, with the statistics at hand, and adds an offset."""
    mean = values.mean((0, 1))
    scale = jax.lax.rsqrt(_variance(values) + 1e-3)
    # Not scale * (values - mean) + offset, of which XLA would keep the difference: memory that is written and read.
    return values * scale + (offset - mean * scale)


@final
class Convolution(eqx.Module):
    """A cross-correlation with zero padding along the second axis."""

    weight: Float[Array, "width input output"]
    bias: Float[Array, " output"]

    @classmethod
    def create(cls, shape: tuple[int, int, int], key: PRNGKeyArray) -> "Convolution":
        return cls(fan_in_normal(key, shape), jnp.zeros(shape[-1]))

    def __call__(self, values: Float[Array, "first second input"]) -> Float[Array, "first second output"]:
        return correlate(values, self.weight, 1) + self.bias


class AbstractBlock(eqx.Module):
    """A stage of a per-neuron network: the same small computation for every unit and example."""

    @abc.abstractmethod
    def __call__(self, values: Float[Array, "unit batch input"]) -> Float[Array, "unit batch output"]:
        """Maps the channels of every unit and example."""


@final
class BatchMixing(AbstractBlock):
    """Convolution along the batch, batch normalisation, ReLU. Width 1 lets no example see another one.

    The convolution's bias is left out of the sum: the normalisation would take it away again.
    """

    convolution: Convolution
    offset: Float[Array, " output"]

    @classmethod
    def create(cls, shape: tuple[int, int, int], key: PRNGKeyArray) -> "BatchMixing":
        return cls(Convolution.create(shape, key), jnp.zeros(shape[-1]))

    def __call__(self, values: Float[Array, "unit batch input"]) -> Float[Array, "unit batch output"]:
        return self.along(1, values)

    def along(self, axis: int, values: Float[Array, "unit batch input"]) -> Float[Array, "unit batch output"]:
        """The same with a convolution along axis 0, the units, or 1, the batch."""
        return jax.nn.relu(batch_norm(correlate(values, self.convolution.weight, axis), self.offset))


@final
class NeighbourMixing(AbstractBlock):
    """Two convolutions along the units, added to what goes in: neighbours in index exchange their states."""

    first: BatchMixing
    second: BatchMixing

    @classmethod
    def create(cls, channels: int, key: PRNGKeyArray) -> "NeighbourMixing":
        first, second = jr.split(key)
        shape = (3, channels, channels)
        return cls(BatchMixing.create(shape, first), BatchMixing.create(shape, second))

    def __call__(self, values: Float[Array, "unit batch channel"]) -> Float[Array, "unit batch channel"]:
        return values + self.second.along(0, self.first.along(0, values))


@final
class DenseUnitMixing(AbstractBlock):
    """A convolution along the batch whose channels are the units: it fits one number of units only.

    Raises `BadInput` for another number.
    """

    block: BatchMixing

    @classmethod
    def create(cls, units: int, key: PRNGKeyArray) -> "DenseUnitMixing":
        return cls(BatchMixing.create((3, units, units), key))

    def __call__(self, values: Float[Array, "unit batch channel"]) -> Float[Array, "unit batch channel"]:
        units = self.block.offset.shape[0]
        if values.shape[0] != units:
            raise BadInput(
                f"This rule fits base models with {units} features, not {values.shape[0]}: its top error network mixes "
                "all of them; give it a network that ends in so many units."
            )
        return self.block(values.transpose(2, 1, 0)).transpose(2, 1, 0)


@final
class PooledMixing(AbstractBlock):
    """Every unit hears the mean state of its population on the same example: it fits any number of units."""

    linear: Linear
    offset: Float[Array, " channel"]

    @classmethod
    def create(cls, channels: int, key: PRNGKeyArray) -> "PooledMixing":
        return cls(Linear.create(channels, channels, key), jnp.zeros(channels))

    def __call__(self, values: Float[Array, "unit batch channel"]) -> Float[Array, "unit batch channel"]:
        pooled = self.linear(values.mean(0, keepdims=True))
        return values + jax.nn.relu(batch_norm(pooled, self.offset))
