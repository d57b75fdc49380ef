"""What estimators promise of memory."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.meta import AbstractProblem, keep, Length
from metarule.meta.estimators import FullBackprop, FullES, NRES, Population, TruncatedBackprop


class Chain(AbstractProblem):
    """A wide state and a large theta."""

    horizon: Length

    def init(self, theta, key):
        return jnp.ones(theta.shape[0])

    def step(self, theta, state, key):
        state = jnp.tanh(theta @ state)
        return state, (jnp.sin(3 * state) ** 2).sum()


def memory(estimator, steps, width=64, problem=Chain):
    theta, problem = jnp.zeros((width, width)), problem(Length(steps))
    state = estimator.init(problem, theta, jr.key(0))
    lowered = jax.jit(estimator.estimate).lower(problem, theta, state, jr.key(0))
    compiled = lowered.compile()
    return compiled.memory_analysis().temp_size_in_bytes


def test_memory_of_evolution_grows_neither_with_steps_nor_with_pairs_times_theta():
    """Beyond what the pairs' own inner states take, in and out: theta here is 64 times as large as a state."""
    theta, states = 4 * 64 * 64, 2 * 2 * 4 * 64  # bytes; of a pair
    small = memory(FullES(Population(1, 8, 4)), 8)
    assert memory(FullES(Population(1, 8, 4)), 1024) < small + theta
    assert memory(FullES(Population(1, 128, 4)), 8) < small + 120 * 1.2 * states
    assert memory(NRES(Population(4, 32, 4), 4), 1024) < small + 120 * 1.2 * states + 4 * theta
    assert memory(FullES(Population(1, 128)), 8) > small + 120 * theta  # all at once they do need it


class Drawn(AbstractProblem):
    """Draws data at every step, and keeps them if it is told to."""

    horizon: Length
    kept: bool = eqx.field(static=True)

    def init(self, theta, key):
        return jnp.ones(5)

    def step(self, theta, state, key):
        data = jr.normal(key, (7, 5))
        hidden = jnp.tanh((keep(data) if self.kept else data) * (theta @ state))
        return hidden.mean(0), (hidden**2).mean()


@pytest.mark.parametrize("truncated", [False, True], ids=["full", "truncated"])
@pytest.mark.parametrize("keeps", [False, True], ids=["states", "data"])
def test_memory_of_backprop_grows_with_the_square_root_of_the_steps(truncated, keeps):
    width, problem, kept = (5, lambda horizon: Drawn(horizon, True), 4 * 7 * 5) if keeps else (64, Chain, 0)

    def needed(steps):
        estimator = TruncatedBackprop(Population(1), steps) if truncated else FullBackprop(Population(1))
        return memory(estimator, steps, width, problem)

    state, theta = 4 * width, 4 * width**2
    short, long = map(needed, (64, 64 * 64))
    assert short < theta + 1.5 * 64 * (state + kept)  # A state and what is kept for each step, and nothing else of it.
    assert long < theta + 1.5 * 64 * (2 * state + kept)


def test_what_is_kept_is_not_drawn_again_and_changes_no_number():
    theta, estimator = jr.normal(jr.key(1), (5, 5)), TruncatedBackprop(Population(1), 8)
    programs, gradients = {}, {}
    for kept in (False, True):
        problem = Drawn(Length(8), kept)
        state = estimator.init(problem, theta, jr.key(0))
        programs[kept] = str(jax.make_jaxpr(lambda: estimator.estimate(problem, theta, state, jr.key(2))[0].grad)())
        gradients[kept] = estimator.estimate(problem, theta, state, jr.key(2))[0].grad
    draws = {kept: len(re.findall(r"random_bits\[[^]]*shape=\(7, 5\)", program)) for kept, program in programs.items()}
    assert draws[True] == 1 and draws[False] == 2
    np.testing.assert_allclose(gradients[True], gradients[False], 1e-4, 1e-7)
    assert np.abs(gradients[True]).max() > 0
