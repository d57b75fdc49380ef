from typing import final

import equinox as eqx
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ...rules import Linear
from ._encoder import AbstractEncoder, EncoderCost, EncoderInputs, Features, sample_size, Statistics
from ._fan_in import FanIn
from ._minimise import minimise


@final
class Supervised(AbstractEncoder):
    """The base model trained on the labelled examples alone, by AdamW on the cross-entropy of a linear layer on top.

    Every step sees all of them; weights decay, nothing stops it early.
    """

    architecture: FanIn
    steps: Int[Array, ""] | int = 300
    step_size: Float[Array, ""] | float = 1e-2
    decay: Float[Array, ""] | float = 1e-2
    statistics: Statistics = eqx.field(static=True, default="batch")

    def __call__(self, problem: EncoderInputs, key: PRNGKeyArray) -> Features:
        model_key, head_key, key = jr.split(key, 3)
        x = self.architecture.seen(problem, problem.support)
        model = self.architecture(x.shape[1:], model_key)
        head = Linear.create(self.architecture.features, problem.classes, head_key)

        def loss(parameters, _):
            model, head = parameters
            features, _ = model(x)
            return optax.softmax_cross_entropy_with_integer_labels(head(features), problem.labels).mean()

        optimiser = optax.adamw(self.step_size, weight_decay=self.decay)
        model, _ = minimise(loss, (model, head), self.steps, optimiser, key)
        return self.architecture.features_of(problem, model, self.statistics)

    def account(self, train: int) -> EncoderCost:
        unlabelled = sample_size(train, self.architecture.at_most) if self.statistics == "frozen" else 0
        return EncoderCost(int(self.steps), unlabelled, self.statistics)
