"""An estimator of one's own. Run: metarule train --estimator own_estimator:Differences, in this folder."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from metarule import BadInput
from metarule.meta.estimators import AbstractEstimator, Estimate, ravel


@final
class Differences(AbstractEstimator):
    """Central differences of the mean loss of whole unrolls, along random directions (simultaneous perturbation)."""

    tasks: int = eqx.field(static=True, default=4)
    """Unrolls of two, one on each side, in an estimate."""
    size: float = 0.03
    """Standard deviation of the perturbations."""

    def check(self, problem, theta, key):
        if self.tasks < 1:
            raise BadInput(f"Differences need 1 or more tasks; got {self.tasks}.")

    def check_devices(self, devices):
        if devices > 1:
            raise BadInput("Differences are computed on one device: add --devices 1.")

    def windows(self, problem):
        return 1  # An estimate takes whole unrolls.

    def init(self, problem, theta, key):
        return None  # Nothing is carried from one meta-step to the next.

    def estimate(self, problem, theta, state, key):
        vector, rebuild, unravel = ravel(theta)
        steps = problem.horizon.maximum

        def loss(flat, key):
            start_key, step_key = jr.split(key)
            step = lambda state, key: problem.step(rebuild(flat), state, key)
            return jax.lax.scan(step, problem.init(rebuild(flat), start_key), jr.split(step_key, steps))[1].mean()

        def one(key):
            noise_key, data_key = jr.split(key)
            noise = jr.normal(noise_key, vector.shape, vector.dtype)
            plus, minus = (loss(vector + sign * self.size * noise, data_key) for sign in (1, -1))
            return (plus - minus) / (2 * self.size) * noise, (plus + minus) / 2

        grads, losses = jax.vmap(one)(jr.split(key, self.tasks))
        usable = jnp.isfinite(losses).all()
        variance = grads.var(0) / max(self.tasks - 1, 1)
        grad = jnp.where(usable, grads.mean(0), 0)
        return Estimate(unravel(grad), unravel(variance), losses.mean(), usable, 2 * steps * self.tasks), state
