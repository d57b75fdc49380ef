import dataclasses
import math
from typing import final

import jax
from jaxtyping import PRNGKeyArray

from ...models import AbstractArchitecture, Model, MultiLayerPerceptron


@final
class FanIn(AbstractArchitecture):
    """Perceptrons with initial weights fit for baselines: of scale `gain` / sqrt(fan-in), and without biases.

    The initial weights of the architecture itself are those that the learned rule was meta-trained with.
    """

    architecture: MultiLayerPerceptron
    gain: float = 1.0

    @property
    def features(self) -> int:
        return self.architecture.features

    def __call__(self, shape: tuple[int, ...], key: PRNGKeyArray) -> Model:
        model = dataclasses.replace(self.architecture, weight_scale=1.0, bias_scale=0.0)(shape, key)
        scaled = lambda leaf: self.gain / math.sqrt(len(leaf)) * leaf if leaf.ndim == 2 else leaf
        return jax.tree.map(scaled, model)

    def reversed(self, key: PRNGKeyArray) -> Model:
        """A model that leads from the features back through the hidden layers to the first one."""
        *hidden, features = self.architecture.widths
        if not hidden:
            return Model(())
        mirrored = dataclasses.replace(self.architecture, widths=tuple(hidden[::-1]))
        return FanIn(mirrored, self.gain)((features,), key)
