import abc
from typing import final

import equinox as eqx
from jaxtyping import Array, Float

from ..models import Synapse
from .kernels._states import States


class AbstractFeedback(eqx.Module):
    """The weights by which an error signal goes down through a synapse."""

    @abc.abstractmethod
    def weights(self, synapse: Synapse) -> Float[Array, "pre post"]:
        """Matrix whose transpose carries the signal from the units above to those below."""

    def __call__(self, synapse: Synapse, signal: States) -> States:
        """Carries a signal from `post` to `pre`."""
        weights, array = self.weights(synapse), signal.array
        # As a product of two matrices: XLA's CPU compiler takes up to twice as long for the gradient of one over three
        # axes.
        if signal.axis == 0:
            return signal.replace((array.reshape(-1, array.shape[-1]) @ weights.T).reshape(*array.shape[:-1], -1))
        return signal.replace((weights @ array.reshape(len(array), -1)).reshape(-1, *array.shape[1:]))


@final
class SeparateWeights(AbstractFeedback):
    """Feedback weights of their own, which learn beside the forward ones."""

    def weights(self, synapse: Synapse) -> Float[Array, "pre post"]:
        return synapse.v


@final
class TransposedWeights(AbstractFeedback):
    """The transpose of the forward weights, as backpropagation has it."""

    def weights(self, synapse: Synapse) -> Float[Array, "pre post"]:
        return synapse.w
