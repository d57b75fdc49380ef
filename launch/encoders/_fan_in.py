import dataclasses
import math
from typing import final

import equinox as eqx
import jax
from jaxtyping import PRNGKeyArray

from ...models import Model, MultiLayerPerceptron


@final
class FanIn(eqx.Module):
    """A base model's architecture with a start fit for baselines: weights of scale `gain` / sqrt(fan-in), no biases.

    The architecture's own start is the one that the learned rule was made for.
    """

    architecture: MultiLayerPerceptron
    gain: float = 1.0

    def __call__(self, inputs: int, key: PRNGKeyArray) -> Model:
        model = dataclasses.replace(self.architecture, weight_scale=1.0, bias_scale=0.0)(inputs, key)
        scaled = lambda leaf: self.gain / math.sqrt(len(leaf)) * leaf if leaf.ndim == 2 else leaf
        return jax.tree.map(scaled, model)

    def reversed(self, key: PRNGKeyArray) -> Model:
        """A model that leads from the features back through the hidden layers to the first one."""
        *hidden, features = self.architecture.widths
        if not hidden:
            return Model(())
        mirrored = dataclasses.replace(self.architecture, widths=tuple(hidden[::-1]))
        return FanIn(mirrored, self.gain)(features, key)
