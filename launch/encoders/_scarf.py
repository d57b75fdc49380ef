from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ...rules import Linear
from ._encoder import AbstractEncoder, EncoderCost, EncoderInputs, Features, Statistics
from ._fan_in import FanIn
from ._minimise import minimise


@final
class SCARF(AbstractEncoder):
    """The base model trained by contrast with corrupted inputs (arXiv 2106.15147).

    Of a batch's examples a share `corruption_rate` of the inputs is replaced by those of random other examples. The
    projection head, a hidden layer and a linear one on top of the features, has to tell which corrupted example was
    which: InfoNCE, the cross-entropy of cosine similarities over a `temperature`. Trained by Adam on random unlabelled
    batches.
    """

    architecture: FanIn
    steps: Int[Array, ""] | int = 1000
    step_size: Float[Array, ""] | float = 1e-3
    corruption_rate: Float[Array, ""] | float = 0.6
    temperature: Float[Array, ""] | float = 1.0
    batch_size: int = eqx.field(static=True, default=128)
    statistics: Statistics = eqx.field(static=True, default="batch")

    def __call__(self, problem: EncoderInputs, key: PRNGKeyArray) -> Features:
        model_key, hidden_key, top_key, key = jr.split(key, 4)
        examples, inputs = problem.train.shape
        width = self.architecture.features
        start = (
            self.architecture((inputs,), model_key),
            Linear.create(width, width, hidden_key),
            Linear.create(width, width, top_key),
        )

        def loss(parameters, key):
            row_key, other_key, swap_key = jr.split(key, 3)
            model, hidden, top = parameters
            x = problem.train[jr.randint(row_key, (self.batch_size,), 0, examples)]
            others = problem.train[jr.randint(other_key, x.shape, 0, examples), jnp.arange(inputs)]
            corrupted = jnp.where(jr.bernoulli(swap_key, self.corruption_rate, x.shape), others, x)
            features, _ = model(jnp.concatenate([x, corrupted]))
            return _contrast(top(jax.nn.relu(hidden(features))), self.temperature)

        model, *_ = minimise(loss, start, self.steps, optax.adam(self.step_size), key)
        return problem.features(model, self.statistics)

    def account(self, train: int) -> EncoderCost:
        return EncoderCost(int(self.steps), train, self.statistics)


def _contrast(z: Float[Array, "example feature"], temperature: Float[Array, ""] | float) -> Float[Array, ""]:
    """How surprising it is, in nats, which of the second half belongs to which of the first."""
    z = z * jax.lax.rsqrt((z**2).sum(1, keepdims=True) + 1e-12)  # The derivative of a norm of zero would be NaN.
    whole, corrupted = jnp.split(z, 2)
    similarity = whole @ corrupted.T / temperature
    return optax.softmax_cross_entropy_with_integer_labels(similarity, jnp.arange(len(whole))).mean()
