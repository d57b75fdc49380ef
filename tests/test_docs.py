"""The examples in docs/ run, and learn something."""

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
import pytest
from metarule.meta import InnerLoop, Length, MetaLearner, RidgeObjective, rollout_loss
from metarule.meta.estimators import ForwardMode, Noise, NRES, PES, Population, TruncatedBackprop
from metarule.models import MultiLayerPerceptron


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
    rule, tasks = (runpy.run_path(str(DOCS / file)) for file in ("own_rule.py", "own_tasks.py"))
    problem = InnerLoop(
        tasks["Mixtures"](noise=1.0), MultiLayerPerceptron((16,), jax.nn.relu, 0.3), RidgeObjective(), Length(20)
    )
    learner = MetaLearner((problem,), TruncatedBackprop(Population(8), Length(10)), optax.adam(0.1), averaging=0.9)
    state = learner.init(rule["Plasticity"](), jr.key(0))
    for _ in range(20):
        state, _ = learner.step(state, jr.key(1))
    loss = lambda theta: rollout_loss(problem, theta, jr.key(2), 64, 20)
    assert loss(state.average) < loss(rule["Plasticity"]()) - 0.01


def test_the_picture_of_the_loop_is_what_its_script_draws():
    assert runpy.run_path(str(DOCS / "plot_loop.py"))["picture"]() == (DOCS / "loop.svg").read_text()
