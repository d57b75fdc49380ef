"""The implicit meta-gradient: right where steps come to rest, and told apart where they don't."""

import runpy
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.launch.__main__ import main
from metarule.launch.records._metrics import read_metrics
from metarule.meta import AbstractProblem, Length
from metarule.meta.estimators import FullBackprop, Implicit, Population


EXAMPLE = types.SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "docs" / "implicit.py")))


def test_the_series_sums_to_the_closed_form_at_rest():
    ridge = EXAMPLE.problem(1)
    exact = jax.grad(lambda theta: EXAMPLE.long_run_loss(ridge, theta))(EXAMPLE.THETA)
    gradient, _, found = EXAMPLE.estimated(Implicit(Population(1), 100, clip=None), ridge)
    np.testing.assert_allclose(gradient, exact, rtol=0.01)
    assert found["adjoint"] < 1e-3
    gradient, _, found = EXAMPLE.estimated(Implicit(Population(1), 2, clip=None), ridge)
    assert abs(gradient / exact - 1) > 0.1 and found["adjoint"] > 0.1


class Counted(AbstractProblem):
    """A state that theta and a count of steps, which theta has no part in, both move: s <- a s + theta, n <- n + 1."""

    horizon: Length = Length(60)
    rate: float = 0.5

    def init(self, theta, key):
        return {"s": jnp.zeros(()), "n": jnp.zeros(()), "key": key}

    def step(self, theta, state, key):
        s = self.rate * state["s"] + theta + 0.1 * jr.normal(key)
        return {**state, "s": s, "n": state["n"] + 1}, 3 * s + 0.01 * state["n"]


@pytest.mark.parametrize("rate, left", [(0.5, 0.5**7), (1.1, 1.0)])
def test_the_adjoint_is_what_the_last_term_has_left(rate, left):
    """Of the part of the state that theta moves: a count of steps never dies out, and does not matter."""
    problem, theta = Counted(rate=rate), jnp.array(0.3)
    estimator = Implicit(Population(2), 8, clip=None)
    estimate, _ = estimator.estimate(problem, theta, estimator.init(problem, theta, jr.key(0)), jr.key(1))
    np.testing.assert_allclose(estimate.diagnostics["adjoint"], left, rtol=1e-4)
    np.testing.assert_allclose(estimate.grad, 3 * sum(rate**k for k in range(9)), rtol=1e-4)


class Scaled(AbstractProblem):
    """s <- a s + theta, where a is drawn anew at every step."""

    horizon: Length = Length(30)

    def init(self, theta, key):
        return jnp.zeros(())

    def step(self, theta, state, key):
        state = 0.6 * jr.bernoulli(key) * state + theta
        return state, state


@pytest.mark.parametrize("fresh, expected", [(True, 1 / 0.7), (False, (1 + 1 / 0.4) / 2)])
def test_terms_have_draws_of_their_own_or_all_the_same(fresh, expected):
    """The mean of 1 + a1 + a1 a2 + ... for independent draws, and that of 1 + a + a^2 + ... for one draw."""
    estimator, theta = Implicit(Population(4000), 30, fresh, None), jnp.array(0.3)
    estimate, _ = estimator.estimate(Scaled(), theta, estimator.init(Scaled(), theta, jr.key(0)), jr.key(1))
    assert abs(estimate.grad - expected) < 4.5 * jnp.sqrt(estimate.variance) < 0.1


def test_memory_does_not_grow_with_the_horizon():
    def memory(estimator, steps):
        class Chain(AbstractProblem):
            horizon: Length = Length(steps)

            def init(self, theta, key):
                return jnp.ones(256)

            def step(self, theta, state, key):
                return jnp.tanh(theta * state), state.mean()

        problem, theta = Chain(), jnp.array(0.3)
        state = estimator.init(problem, theta, jr.key(0))
        compiled = jax.jit(estimator.estimate).lower(problem, theta, state, jr.key(0)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    implicit = Implicit(Population(8))
    assert memory(implicit, 64) < memory(implicit, 8) + 1024 < memory(FullBackprop(Population(8)), 64)


def test_a_run_whose_inner_loops_do_not_rest_is_told_so(tmp_path, capsys):
    options = (
        "--estimator implicit --networks 4 --ways 3 --shots 2 --batch-sizes 6 --sources glyphs "
        "--augmentation none --estimator.population.tasks 2 --estimator.terms 3 --horizon.low 4 --steps 2 "
        "--validate-every 100 --evaluation-steps 3 --labels 2 --seeds 2 --devices 1 --held-out"
    )
    assert main(["train", *options.split(), "--start", "default", "--run", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.count("The inner loops have not come to rest") == 1
    assert all(line["adjoint"] > 0.1 for line in read_metrics(tmp_path / "metrics.jsonl"))
