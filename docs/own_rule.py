"""Defines a rule of one's own and meta-trains it on letters. Run: python docs/own_rule.py"""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float
from metarule.meta import InnerLoop, Length, MetaLearner, RidgeObjective, rollout_loss
from metarule.meta.estimators import Population, TruncatedBackprop
from metarule.models import MultiLayerPerceptron
from metarule.rules import AbstractRule
from metarule.tasks import Affine, embedded, ImageTasks, join, PixelNoise


@final
class Plasticity(AbstractRule):
    """Every weight changes by a weighted sum of four local products; the weights of the sum are learned."""

    coefficients: Float[Array, "4"] = eqx.field(default_factory=lambda: jnp.array([0.0, 0.0, 0.0, 0.0]))

    def init(self, model):
        return None  # It remembers nothing.

    def update(self, model, x, state):
        _, activities = model(x)
        changes = [self.change(layer.synapses[0], activity) for layer, (activity,) in zip(model.layers, activities)]
        return eqx.tree_at(lambda it: [layer.synapses[0] for layer in it.layers], model, changes), state

    def change(self, synapse, activity):
        hebb, decay, oja, bias = self.coefficients
        count = activity.x.shape[0]
        pre, post = activity.x - activity.x.mean(0), activity.y - activity.y.mean(0)
        forgetting = synapse.w * (post**2).mean(0)
        w = hebb * pre.T @ post / count - decay * synapse.w - oja * forgetting
        return type(synapse)(0.1 * w, 0.1 * bias * (0.5 - activity.y.mean(0)), jnp.zeros_like(synapse.v))


def problem(validation: bool) -> InnerLoop:
    """Few-shot letters of 8x8 pixels, scored along 20 steps of unsupervised learning."""
    data = embedded(8).validation if validation else embedded(8).training
    tasks = ImageTasks(join(data), (Affine(), PixelNoise()), ways=5, shots=5, batch_size=32)
    return InnerLoop(tasks, MultiLayerPerceptron((32, 16), jax.nn.relu, 0.3), RidgeObjective(), Length(20))


def learn(meta_steps: int) -> Plasticity:
    """The rule after some meta-steps."""
    estimator = TruncatedBackprop(Population(8), Length(10))
    learner = MetaLearner((problem(False),), estimator, optax.adam(0.1), averaging=0.9)
    state = learner.init(Plasticity(), jr.key(0))
    for _ in range(meta_steps):
        state, metrics = learner.step(state, jr.key(1))
    return state.average


if __name__ == "__main__":
    for name, rule in {"no change": Plasticity(), "learned": learn(100)}.items():
        loss = rollout_loss(problem(True), rule, jr.key(2), 32, 20)
        print(f"{name}: coefficients {jnp.round(rule.coefficients, 3)}, loss on letters never seen {loss:.4f}")
