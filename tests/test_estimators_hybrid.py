"""The combination by inverse variance: its formula, and its bias and variance on the function that it is known on."""

import functools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Float
from metarule.meta import AbstractProblem, Length
from metarule.meta.estimators import FullES, Hybrid, Noise, Population


class Wave(AbstractProblem):
    """theta^2 / 2 + A sin(w theta): the test function of arXiv 1810.10180's weights."""

    height: Float[Array, ""]
    frequency: Float[Array, ""]
    horizon: Length = Length(1)

    def init(self, theta, key):
        return jnp.zeros(())

    def step(self, theta, state, key):
        return state, 0.5 * theta**2 + self.height * jnp.sin(self.frequency * theta)


@functools.cache
def hybrid(independent):
    estimator = Hybrid(FullES(Population(1, 128), Noise(0.1)), independent)

    @jax.jit
    def repeat(height, frequency, keys):
        problem, theta = Wave(height, frequency), jnp.array(1.0)

        def one(key):
            estimate, _ = estimator.estimate(problem, theta, estimator.init(problem, theta, key), key)
            return estimate.grad, estimate.variance, estimate.diagnostics["evolution_weight"]

        return jax.lax.map(one, keys, batch_size=500)

    return repeat


@pytest.mark.parametrize(
    "height, frequency, mean, deviation, weight",
    [(0.1, 100.0, 1.0, 0.132, 0.940), (0.1, 30.0, None, 0.0277, None), (0.1, 10.0, 0.48838, 0.0398, None)],
)
def test_hybrid_on_its_test_function(height, frequency, mean, deviation, weight):
    """Mean and standard deviation of 5000 batches of 128 pairs, within 4 standard errors of those of 20000."""
    grad, variance, weights = hybrid(False)(jnp.array(height), jnp.array(frequency), jr.split(jr.key(0), 5000))
    if mean is not None:
        assert jnp.abs(grad.mean() - mean) < 4 * deviation * np.sqrt(1 / 5000 + 1 / 20_000)
    np.testing.assert_allclose(grad.std(), deviation, rtol=0.06)
    if weight is not None:
        np.testing.assert_allclose(weights.mean(), weight, atol=0.01)
        np.testing.assert_allclose(jnp.sqrt(variance.mean()), deviation, rtol=0.15)


def test_independent_weights_take_the_bias_away():
    """20000 batches: the published form is off by -0.0027, 9 standard errors; independent weights by less than 4."""
    keys = jr.split(jr.key(1), 20_000)
    truth = 1 + 0.1 * 10 * np.cos(10) * np.exp(-(10**2) * 0.1**2 / 2)
    for independent in False, True:
        grad, _, _ = hybrid(independent)(jnp.array(0.1), jnp.array(10.0), keys)
        away = (grad.mean() - truth) / (grad.std() / np.sqrt(20_000))
        assert jnp.abs(away) < 4 if independent else away < -5


def test_hybrid_formula():
    estimator = Hybrid(FullES(Population(1, 8), Noise(0.1)))
    problem, theta, key = Wave(jnp.array(0.1), jnp.array(30.0)), jnp.array(1.0), jr.key(7)
    state = estimator.init(problem, theta, key)
    estimate, _ = jax.jit(estimator.estimate)(problem, theta, state, key)
    keys = estimator.plan.population.keys(key, jnp.array(0))
    noise = jnp.stack([estimator.evolution.noise.draw(jr.fold_in(own, 0), theta)[0] for own in keys.own])
    loss = jax.vmap(lambda t: problem.step(t, jnp.zeros(()), key)[1])
    slope = jax.vmap(jax.grad(lambda t: problem.step(t, jnp.zeros(()), key)[1]))
    plus, minus = theta + 0.1 * noise, theta - 0.1 * noise
    backprop, evolution = (slope(plus) + slope(minus)) / 2, (loss(plus) - loss(minus)) / 2 * noise / 0.1
    inverse = [1 / (np.var(x, ddof=1) + 1e-8) for x in (backprop, evolution)]
    expected = (inverse[0] * backprop.mean() + inverse[1] * evolution.mean()) / sum(inverse)
    np.testing.assert_allclose(estimate.grad, expected, 1e-3)
    np.testing.assert_allclose(estimate.diagnostics["evolution_weight"], inverse[1] / sum(inverse), 1e-3)
