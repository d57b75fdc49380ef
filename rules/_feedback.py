import abc
from typing import final

import equinox as eqx

from ..models import AbstractLayer
from .kernels._states import States


class AbstractFeedback(eqx.Module):
    """The way of an error signal down through a layer."""

    @abc.abstractmethod
    def __call__(self, layer: AbstractLayer, signal: States) -> States:
        """Carries the signal from the layer's outputs to its inputs."""


@final
class SeparateWeights(AbstractFeedback):
    """Feedback weights of their own, which learn beside the forward ones."""

    def __call__(self, layer: AbstractLayer, signal: States) -> States:
        return signal.replace(layer.descend(signal.array, signal.unit_axis))


@final
class TransposedWeights(AbstractFeedback):
    """The transpose of the forward weights, as backpropagation has it."""

    def __call__(self, layer: AbstractLayer, signal: States) -> States:
        forward = [synapse.w for synapse in layer.synapses]
        layer = eqx.tree_at(lambda it: [synapse.v for synapse in it.synapses], layer, forward)
        return SeparateWeights()(layer, signal)
