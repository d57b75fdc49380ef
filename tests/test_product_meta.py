"""What meta-training draws, scores and steps on, against plain NumPy and by what a spy was given."""

import functools
from typing import final

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from jaxtyping import Array
from metarule.meta import (
    AbstractObjective,
    AbstractProblem,
    InnerLoop,
    Length,
    MetaLearner,
    RidgeObjective,
    Squared,
)
from metarule.meta.estimators import Population, TruncatedBackprop
from metarule.models import MultiLayerPerceptron
from metarule.rules import AbstractRule
from metarule.tasks import AbstractTasks, Episode


# Three classes of 7, 2 and 1 examples, and two regression targets far from zero.
CLASSES = np.repeat(np.eye(3), (7, 2, 1), axis=0)
GENERATOR = np.random.default_rng(0)
UNBALANCED = {
    "classes": (CLASSES, CLASSES[::-1]),
    "regression": (GENERATOR.normal((5, -2), (1, 3), (10, 2)), GENERATOR.normal((5, -2), (1, 3), (10, 2))),
}


def normalised(targets):
    """Less the mean of all numbers; in the unit that makes a row's mean square length one."""
    centred = targets - np.mean(targets)
    return centred / np.sqrt(np.mean(np.sum(centred**2, axis=1)))


@pytest.mark.parametrize("score", ["squared", "cosine"])
@pytest.mark.parametrize("kind", UNBALANCED)
def test_targets_are_centred_by_the_mean_of_all_their_numbers(kind, score):
    """Unbalanced classes and regression targets keep what their columns differ by."""
    support_y, query_y = UNBALANCED[kind]
    features = GENERATOR.normal(size=(20, 4))
    design = np.concatenate([features, np.ones((20, 1))], axis=1)
    support, query = design[:10], design[10:]
    penalty = 0.3 * np.diag([1.0] * 4 + [0.0])
    weights = np.linalg.solve(support.T @ support + penalty, support.T @ normalised(support_y))
    predicted = query @ weights
    if score == "cosine":
        predicted /= np.linalg.norm(predicted, axis=1, keepdims=True)
    expected = np.mean(np.sum((predicted - normalised(query_y)) ** 2, axis=1))
    expected += 0.3 * np.sum(weights[:-1] ** 2) / len(query)
    with jax.enable_x64():
        objective = RidgeObjective(Squared(), 0.3) if score == "squared" else RidgeObjective(ridge=0.3)
        found = objective.on_features(*map(jnp.asarray, (features, support_y, query_y)))
        np.testing.assert_allclose(found, expected, rtol=1e-8)


@final
class Draws(AbstractTasks[Array]):
    """Tasks whose batches and episodes are what their keys draw; a task is one, too."""

    @property
    def shape(self):
        return (2,)

    def sample(self, key):
        return jr.uniform(key, (3, 2))

    def batch(self, task, key):
        return jr.uniform(key, (3, 2))

    def episode(self, task, key):
        drawn, labels = jr.uniform(key, (3, 2)), jnp.eye(3)
        return Episode(drawn, labels, drawn, labels)


@final
class Diary(AbstractRule):
    """Changes nothing, and remembers the sums of the last three batches."""

    rate: Array

    def init(self, model):
        return jnp.zeros(3)

    def update(self, model, x, state):
        return jax.tree.map(jnp.zeros_like, model), jnp.roll(state, 1).at[0].set(x.sum())


@final
class Seen(AbstractObjective):
    """The sum of the support set."""

    def __call__(self, model, episode):
        return episode.support_x.sum()


def test_an_inner_step_draws_each_batch_and_its_few_shot_problem_apart():
    """Else the rule would be scored on the very examples that it has just seen."""
    problem = InnerLoop(Draws(), MultiLayerPerceptron((2,)), Seen(), Length(2), updates=3)
    state = problem.init(Diary(jnp.zeros(())), jr.key(0))
    drawn = [float(state.task.sum())]
    for step in range(2):
        state, loss = problem.step(Diary(jnp.zeros(())), state, jr.fold_in(jr.key(1), step))
        drawn += [float(loss), *state.rule_state.tolist()]
    assert len(drawn) == len(set(drawn)) == 9


@final
class Told(AbstractProblem[Array]):
    """The loss of a step is theta times what its key draws, so a meta-gradient tells the draw."""

    horizon: Length = Length(1)

    def init(self, theta, key):
        return jr.uniform(key)

    def step(self, theta, state, key):
        return state, theta * (1 + state + jr.uniform(key))


@final
class Ages(AbstractProblem[Array]):
    """The loss of an unroll's n-th step is n, and theta."""

    horizon: Length

    def init(self, theta, key):
        return jnp.zeros(())

    def step(self, theta, state, key):
        return state + 1, state + 1 + theta


@pytest.mark.parametrize("horizon, losses", [(4, [1.5, 3.5]), (5, [1.5, 3.5, 5.0])])
def test_an_unroll_has_as_many_steps_as_its_horizon_and_then_another_begins(horizon, losses):
    """In windows of two steps, the last of which is cut short where they do not divide the horizon."""
    estimator, problem = TruncatedBackprop(Population(1, stagger=False), 2, None), Ages(Length(horizon))
    state, estimate = estimator.init(problem, jnp.zeros(()), jr.key(0)), jax.jit(estimator.estimate)
    found = []
    for index in range(2 * len(losses)):
        one, state = estimate(problem, jnp.zeros(()), state, jr.key(index))
        found.append(float(one.loss))
    np.testing.assert_allclose(found, 2 * losses)


def test_particles_of_a_task_meet_the_same_data_and_differ_in_noise():
    keys = Population(2, per_task=3).keys(jr.key(0), jnp.zeros((), int))
    count = lambda key: len({tuple(each) for each in jr.key_data(key).tolist()})
    for shared in (keys.begin, keys.length, keys.steps):
        assert [count(shared[:3]), count(shared[3:]), count(shared)] == [1, 1, 2]
    assert count(keys.own) == 6
    assert count(jnp.concatenate([keys.begin, keys.length, keys.steps, keys.own])) == 12


@functools.cache
def told(steps, step_scale=None):
    """Theta from 0 on, after each meta-step: under Adam, whose steps are all of one size where gradients are alike."""
    estimator, optimiser = TruncatedBackprop(Population(1), 1, None), optax.adam(0.1)
    scale = None if step_scale is None else jnp.asarray(step_scale)
    learner = MetaLearner((Told(),), estimator, optimiser, step_scale=scale)
    state, thetas = learner.init(jnp.zeros(()), jr.key(0)), [0.0]
    for _ in range(steps):
        state, _ = learner.step(state, jr.key(0))
        thetas.append(float(state.theta))
    return np.array(thetas)


def test_no_two_meta_steps_draw_the_same():
    steps = -np.diff(told(4))
    assert (steps > 0).all() and len(set(steps.round(5).tolist())) == 4


def test_after_a_divergence_steps_are_as_much_smaller_as_the_guard_says():
    """Also under Adam, to which smaller gradients would make no difference."""
    np.testing.assert_allclose(told(4, 0.25), 0.25 * told(4), rtol=1e-5)
