import abc
from typing import final

import equinox as eqx
from jaxtyping import Array, Float

from ..models import AbstractLayer


class AbstractFeedback(eqx.Module):
    """The way of an error signal down through a layer."""

    @abc.abstractmethod
    def __call__(
        self, layer: AbstractLayer, signal: Float[Array, "post channel batch"]
    ) -> Float[Array, "pre channel batch"]:
        """Carries the signal from the layer's outputs to its inputs."""


@final
class SeparateWeights(AbstractFeedback):
    """Feedback weights of their own, which learn beside the forward ones."""

    def __call__(
        self, layer: AbstractLayer, signal: Float[Array, "post channel batch"]
    ) -> Float[Array, "pre channel batch"]:
        return layer.descend(signal)


@final
class TransposedWeights(AbstractFeedback):
    """The transpose of the forward weights, as backpropagation has it."""

    def __call__(
        self, layer: AbstractLayer, signal: Float[Array, "post channel batch"]
    ) -> Float[Array, "pre channel batch"]:
        forward = [synapse.w for synapse in layer.synapses]
        return eqx.tree_at(lambda it: [synapse.v for synapse in it.synapses], layer, forward).descend(signal)
