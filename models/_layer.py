import abc
from collections.abc import Callable
from typing import final

import equinox as eqx
import jax
from jaxtyping import Array, Float

from ._synapse import Activity, Synapse


class AbstractLayer(eqx.Module):
    """A stage of a base model: it maps activations up and learned error signals down."""

    synapses: eqx.AbstractVar[tuple[Synapse, ...]]

    @abc.abstractmethod
    def __call__(self, x: Float[Array, "batch pre"]) -> tuple[Float[Array, "batch post"], tuple[Activity, ...]]:
        """Returns the layer's activations and, for each synapse, what its units did."""

    @abc.abstractmethod
    def descend(self, signal: Float[Array, "_ _ _"], axis: int = -1) -> Float[Array, "_ _ _"]:
        """Carries an error signal, some numbers for each unit and example, from the layer's outputs down the feedback
        weights to its inputs. The units lie along the last axis, or the first (0)."""


@final
class Dense(AbstractLayer):
    """A fully connected layer: product, batch normalisation without gain, bias, nonlinearity.

    Batch normalisation always uses the statistics of the batch at hand (arXiv 1804.00222, released code).
    """

    synapses: tuple[Synapse]
    activation: Callable[[Array], Array] = eqx.field(static=True)
    epsilon: float = eqx.field(static=True, default=1e-6)

    def __call__(self, x: Float[Array, "batch pre"]) -> tuple[Float[Array, "batch post"], tuple[Activity]]:
        (synapse,) = self.synapses
        sums = x @ synapse.w
        centred = sums - sums.mean(0)
        z = centred * jax.lax.rsqrt((centred**2).mean(0) + self.epsilon) + synapse.b
        y = self.activation(z)
        return y, (Activity(x, z, y),)

    def descend(self, signal: Float[Array, "_ _ _"], axis: int = -1) -> Float[Array, "_ _ _"]:
        (synapse,) = self.synapses
        return synapse.descend(signal, axis)
