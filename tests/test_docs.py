"""The examples in docs/ run, and learn something."""

import runpy
from pathlib import Path

import jax.numpy as jnp
import jax.random as jr
import pytest
from metarule.meta import rollout_loss
from metarule.meta.estimators import ForwardMode, Noise, NRES, PES, Population, TruncatedBackprop


DOCS = Path(__file__).parents[1] / "docs"


ESTIMATORS = (
    PES(Population(8, 4), 10, Noise(0.1)),
    pytest.param(NRES(Population(8, 4), 10, Noise(0.1)), marks=pytest.mark.slow),
    pytest.param(TruncatedBackprop(Population(8), 10), marks=pytest.mark.slow),
    pytest.param(ForwardMode(Population(8, 4), 10), marks=pytest.mark.slow),
)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda it: type(it).__name__)
def test_a_learning_rate_schedule(estimator):
    example = runpy.run_path(str(DOCS / "learning_rate.py"))
    loss = lambda theta: float(rollout_loss(example["Regression"](), theta, jr.key(2), 64, 50))
    learned = example["learn"](estimator, 100)
    assert loss(learned) < loss(jnp.full(5, -4.0)) - 0.005


@pytest.mark.slow
def test_an_own_rule():
    example = runpy.run_path(str(DOCS / "own_rule.py"))
    rule, problem = example["learn"](8), example["problem"](True)
    assert rollout_loss(problem, rule, jr.key(2), 16, 20) < rollout_loss(problem, type(rule)(), jr.key(2), 16, 20)
