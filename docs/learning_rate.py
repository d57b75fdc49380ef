"""Meta-learns a learning-rate schedule: any unrolled computation is a problem. Run: python docs/learning_rate.py"""

from typing import final

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from metarule.meta import AbstractProblem, Length, MetaLearner, rollout_loss
from metarule.meta.estimators import AbstractEstimator, Noise, PES, Population


@final
class Regression(AbstractProblem):
    """Gradient descent on a random, badly conditioned regression. Theta is the logarithm of its rate at 5 moments."""

    horizon: Length = Length(50)

    def init(self, theta, key):
        inputs, targets = jr.normal(jr.fold_in(key, 0), (64, 8)), jr.normal(jr.fold_in(key, 1), (64,))
        return {"x": inputs * jnp.logspace(0, -1, 8), "y": targets, "w": jnp.zeros(8), "time": jnp.zeros(())}

    def step(self, theta, state, key):
        loss, slope = jax.value_and_grad(lambda w: ((state["x"] @ w - state["y"]) ** 2).mean())(state["w"])
        rate = jnp.exp(jnp.interp(state["time"], jnp.linspace(0, self.horizon.maximum, 5), theta))
        return state | {"w": state["w"] - rate * slope, "time": state["time"] + 1}, loss


def learn(estimator: AbstractEstimator, meta_steps: int) -> jax.Array:
    """The schedule after some meta-steps."""
    learner = MetaLearner((Regression(),), estimator, optax.adam(0.05), averaging=0.9)
    state = learner.init(jnp.full(5, -4.0), jr.key(0))
    for _ in range(meta_steps):
        state, metrics = learner.step(state, jr.key(1))
    return state.average


if __name__ == "__main__":
    start, learned = jnp.full(5, -4.0), learn(PES(Population(8, 4), 10, Noise(0.1)), 300)
    for name, theta in {"at the start": start, "learned": learned}.items():
        loss = rollout_loss(Regression(), theta, jr.key(2), 256, 50)
        print(f"{name}: rates {jnp.round(jnp.exp(theta), 3)}, mean loss {loss:.4f}")
