"""What is said of estimators, on a problem whose gradients are known."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.meta import AbstractProblem, diagnose, Length, sample_gradients
from metarule.meta.estimators import EvosaxSearch, FullBackprop, Noise, NRES, PES, Population, TruncatedBackprop


class Memory(AbstractProblem):
    """Theta adds up along an episode: a window sees but a part of its effect. Some runs are not finite."""

    horizon: Length = Length(4)
    bad: float = 0.0

    def init(self, theta, key):
        return jnp.where(jr.uniform(key) < self.bad, jnp.nan, 0.0) * theta

    def step(self, theta, state, key):
        state = state + theta
        return state, state.sum() + jr.normal(key) * theta.sum()


THETA = jnp.array([1.0, -2.0, 0.5])
KEY = jr.key(0)


@pytest.fixture(scope="module")
def reference():
    return sample_gradients(FullBackprop(Population(4), None), Memory(), THETA, KEY, 16)


def test_the_bias_of_truncation(reference):
    """Mean slope of an episode is (1 + 2 + 3 + 4) / 4; a window of two steps sees (1 + 2 + 1 + 2) / 4 of it."""
    np.testing.assert_allclose(reference.mean, np.full(3, 2.5), atol=0.4)
    found = diagnose(sample_gradients(TruncatedBackprop(Population(4), 2, None), Memory(), THETA, KEY, 16), reference)
    np.testing.assert_allclose(found.bias, 1 / 2.5, atol=3 * found.resolution)
    assert found.resolution < 0.1 and found.nonfinite == 0 and found.inner_steps == 8
    assert found.seconds > 0 and found.memory > 0


def test_no_bias_and_the_cosine_of_a_noisy_estimate(reference):
    found = diagnose(sample_gradients(PES(Population(4), 2, Noise(0.1)), Memory(), THETA, KEY, 64), reference)
    assert found.bias < 3 * found.resolution and found.inner_steps == 16
    np.testing.assert_allclose(found.cosine, 1 / np.sqrt(1 + found.variance), atol=0.1)
    fewer = diagnose(sample_gradients(NRES(Population(2), 2, Noise(0.1)), Memory(), THETA, KEY, 64), reference)
    more = diagnose(sample_gradients(NRES(Population(32), 2, Noise(0.1)), Memory(), THETA, KEY, 64), reference)
    np.testing.assert_allclose(fewer.variance / more.variance, 16, rtol=0.5)
    assert more.cosine > fewer.cosine


def test_runs_that_are_not_finite_are_counted():
    found = sample_gradients(TruncatedBackprop(Population(64), 2, None), Memory(bad=0.25), THETA, KEY, 4)
    assert 0.1 < found.nonfinite < 0.4 and np.isfinite(found.mean).all()


def test_a_single_sample_can_not_tell(reference):
    found = diagnose(sample_gradients(TruncatedBackprop(Population(4), 2, None), Memory(), THETA, KEY, 1), reference)
    assert np.isnan(found.bias) and np.isinf(found.resolution)


def test_a_search_has_a_cost_too():
    found = sample_gradients(EvosaxSearch(members=4, tasks=2), Memory(), THETA, KEY, 2)
    assert found.inner_steps == 4 * 2 * 4
