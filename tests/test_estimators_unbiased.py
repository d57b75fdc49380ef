"""What an estimator says of its bias and its variance, against a closed form."""

import functools
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.meta import AbstractProblem, Length
from metarule.meta.estimators import (
    AntitheticES,
    ForwardMode,
    FullBackprop,
    FullES,
    GPES,
    Noise,
    NRES,
    PES,
    Population,
    TruncatedBackprop,
)
from toys import Drift


SCALE = 0.3
NOISE = Noise(SCALE)
THETA = jnp.array([0.3, -0.2])
STEPS, WINDOW = 10, 4  # the last window is cut short
WINDOWS = -(-STEPS // WINDOW)
PUSHES = 0.4 * jr.normal(jr.key(1), (STEPS + 1, 2)) + jnp.array([0.1, 0.0])
EVERY_STEP = Drift(Length(STEPS), PUSHES, jnp.linspace(0.5, 1.5, STEPS), 0.1)
LAST_STEP = Drift(Length(STEPS), PUSHES, jnp.zeros(STEPS).at[-1].set(STEPS), 0.1)

MANY = Population(5000)

UNBIASED = {
    "full-es": FullES(MANY, NOISE),
    "pes": PES(MANY, WINDOW, NOISE),
    "nres": NRES(MANY, WINDOW, NOISE),
    "gpes": GPES(MANY, WINDOW, NOISE, every=2),
    "forward": ForwardMode(MANY, WINDOW),
    "forward, fresh": ForwardMode(MANY, WINDOW, reuse=False),
    "backprop": FullBackprop(MANY, None),
}
BIASED = {"tbptt": TruncatedBackprop(MANY, WINDOW, None), "es": AntitheticES(MANY, WINDOW, NOISE)}


def exact(problem, estimator):
    """The gradient of the mean loss under the noise that the estimator applies: none, or one draw for some windows."""
    window = jnp.maximum(jnp.arange(STEPS + 1) - 1, 0) // WINDOW
    if isinstance(estimator, FullBackprop | TruncatedBackprop | ForwardMode):
        return jax.grad(problem.smoothed_loss)(THETA, 0.0, window)
    every = {PES: 1, GPES: 2}.get(type(estimator), WINDOWS)
    return jax.grad(problem.smoothed_loss)(THETA, SCALE, window // every)


@functools.cache
def compiled(estimator):
    @jax.jit
    def scan(problem, state, keys):
        def step(state, key):
            estimate, state = estimator.estimate(problem, THETA, state, key)
            return state, (estimate.grad, estimate.variance)

        return jax.lax.scan(step, state, keys)[1]

    return scan


def episodes(estimator, problem, count, stagger=False):
    """Estimates over `count` times as many meta-steps as an episode has windows, the first ones left out."""
    windows = 1 if isinstance(estimator, FullES | FullBackprop) else WINDOWS
    # Being out of step is in the state alone.
    beginner = eqx.tree_at(lambda e: e.population, estimator, replace(estimator.population, stagger=stagger))
    state = beginner.init(problem, THETA, jr.key(0))
    grad, variance = compiled(estimator)(problem, state, jr.split(jr.key(1), (count + 1) * windows))
    shape = (count + 1, windows, -1)
    return np.asarray(grad).reshape(shape)[1:], np.asarray(variance).reshape(shape)[1:]


@pytest.mark.parametrize("problem", [EVERY_STEP, LAST_STEP], ids=["every-step", "last-step"])
@pytest.mark.parametrize("stagger", [False, True], ids=["in-step", "staggered"])
@pytest.mark.parametrize("name", UNBIASED)
def test_unbiased(name, stagger, problem):
    """The mean of 24 episodes of thousands of particles: within 4 standard errors, themselves below 2 percent."""
    truth = exact(problem, UNBIASED[name])
    means = episodes(UNBIASED[name], problem, 24, stagger)[0].mean(1)
    error = means.std(0, ddof=1) / np.sqrt(len(means))
    assert np.linalg.norm(error) < 0.02 * np.linalg.norm(truth)
    np.testing.assert_array_less(np.abs(means.mean(0) - truth), 4 * error + 1e-6)


@pytest.mark.parametrize("name", BIASED)
def test_truncation_is_biased(name):
    """The same test as above rejects what is known to be biased, by far."""
    means = episodes(BIASED[name], LAST_STEP, 24)[0].mean(1)
    error = means.std(0, ddof=1) / np.sqrt(len(means))
    assert np.abs((means.mean(0) - exact(LAST_STEP, BIASED[name])) / error).max() > 50


@pytest.mark.parametrize("per_task", [1, 8])
def test_variance(per_task):
    """The variance that is reported is that of the estimate, also when pairs share their task's data.

    120 estimates tell a variance to within a factor of 1.4, at 3 standard errors.
    """
    problem = replace(EVERY_STEP, jitter=0.5)
    grad, variance = episodes(PES(Population(200 // per_task, per_task), WINDOW, NOISE), problem, 120)
    ratio = variance.mean(0).sum(-1) / grad.var(0, ddof=1).sum(-1)
    assert ((1 / 1.4 < ratio) & (ratio < 1.4)).all()


class Constant(AbstractProblem):
    """The loss is theta at every step."""

    horizon: Length

    def init(self, theta, key):
        return jnp.zeros(())

    def step(self, theta, state, key):
        return state, theta


def test_random_lengths_are_attributed_exactly():
    """Episodes of 3 to 6 steps in windows of 4: a step counts windows / steps of its episode, wherever that ends."""
    problem, theta = Constant(Length(3, 6)), jnp.array(1.0)
    estimator = TruncatedBackprop(Population(64), 4, None)
    state = estimator.init(problem, theta, jr.key(0))
    for key in jr.split(jr.key(1), 4):
        before = state.particles
        estimate, state = compiled_once(estimator, problem, theta, state, key)
        length = state.particles.length
        live_steps = jnp.minimum(4, length - jnp.where(before.age >= before.length, 0, before.age))
        np.testing.assert_allclose(estimate.grad, (live_steps * -(-length // 4) / length).mean(), 1e-6)
        np.testing.assert_allclose(estimate.loss, 1.0, 1e-6)
        assert set(np.unique(length)) == {3, 4, 5, 6}


compiled_once = eqx.filter_jit(lambda estimator, *args: estimator.estimate(*args))
