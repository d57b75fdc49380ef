import dataclasses
import math
from typing import final

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from ...errors import BadInput
from ...models import (
    AbstractArchitecture,
    AbstractImageArchitecture,
    Convolutional,
    Model,
    MultiLayerPerceptron,
    Transformer,
)
from ._encoder import EncoderInputs, Features, IMAGES, SAMPLE, Statistics


Scalable = MultiLayerPerceptron | Convolutional | Transformer
"""The architectures whose initial weights can be scaled."""


@final
class FanIn(AbstractArchitecture):
    """Base models with initial weights fit for baselines: of scale `gain` / sqrt(fan-in), and without biases.

    The initial weights of the architecture itself are those that the learned rule was meta-trained with.
    """

    architecture: Scalable
    gain: float = 1.0

    @property
    def features(self) -> int:
        return self.architecture.features

    def __call__(self, shape: tuple[int, ...], key: PRNGKeyArray) -> Model:
        model = dataclasses.replace(self.architecture, weight_scale=1.0, bias_scale=0.0)(shape, key)
        scaled = lambda leaf: self.gain / math.sqrt(len(leaf)) * leaf if leaf.ndim == 2 else leaf
        return jax.tree.map(scaled, model)

    @property
    def widths(self) -> tuple[int, ...]:
        """Of a perceptron's layers. Raises `BadInput` for other base models."""
        if not isinstance(self.architecture, MultiLayerPerceptron):
            raise BadInput("An autoencoder needs a base model that can be reversed: take a perceptron, like 64-64-32.")
        return self.architecture.widths

    def reversed(self, key: PRNGKeyArray) -> Model:
        """A model that leads from a perceptron's features back through the hidden layers to the first one."""
        *hidden, features = self.widths
        if not hidden:
            return Model(())
        mirrored = dataclasses.replace(self.architecture, widths=tuple(hidden[::-1]))
        return FanIn(mirrored, self.gain)((features,), key)

    def seen(self, problem: EncoderInputs, rows: Float[Array, "example input"]) -> Float[Array, " example *shape"]:
        """Examples as its models take them: as images or as they are. Raises `BadInput` where they are no images."""
        return problem.images(rows) if self._of_images else rows

    def features_of(self, problem: EncoderInputs, model: Model, statistics: Statistics) -> Features:
        """The features of the labelled and of the query examples by one of its models, which may have been trained."""
        if self._of_images:
            return problem.scored(problem.by_image(model, statistics))
        return problem.features(model, statistics)

    @property
    def at_most(self) -> int:
        """Train examples that frozen statistics of its models are made of, at most."""
        return IMAGES if self._of_images else SAMPLE

    @property
    def _of_images(self) -> bool:
        return isinstance(self.architecture, AbstractImageArchitecture)
