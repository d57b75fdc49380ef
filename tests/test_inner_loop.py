"""What meta-training differentiates: the inner loop, its objective, and the outer step on top."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from jaxtyping import Array
from metarule.meta import (
    AbstractProblem,
    Cosine,
    Hinge,
    InnerLoop,
    Length,
    MetaLearner,
    ridge_regression,
    RidgeObjective,
    rollout_loss,
    Squared,
)
from metarule.meta.estimators import Population, TruncatedBackprop
from metarule.models import MultiLayerPerceptron
from metarule.rules import lean
from metarule.tasks import AbstractTasks, Episode


@final
class Clusters(AbstractTasks[Array]):
    """Three Gaussian clusters; a task is their centres. `permutation` renames the labels."""

    permutation: Array

    @property
    def shape(self):
        return (4,)

    def sample(self, key):
        return jr.normal(key, (3, 4))

    def batch(self, task, key):
        return jnp.repeat(task, 2, axis=0) + 0.3 * jr.normal(key, (6, 4))

    def episode(self, task, key):
        support, query = (self.batch(task, k) for k in jr.split(key))
        labels = jnp.repeat(jnp.eye(3)[self.permutation], 2, axis=0)
        return Episode(support, labels, query, labels)


def inner_loop(updates=1, permutation=(0, 1, 2)):
    architecture = MultiLayerPerceptron((3,), jnp.tanh, weight_scale=0.5)
    return InnerLoop(Clusters(jnp.array(permutation)), architecture, RidgeObjective(), Length(3), updates)


def unrolled(problem, theta, key, steps=3):
    """The state after some steps, and their losses."""
    start_key, step_key = jr.split(key)
    start = problem.init(theta, start_key)
    return jax.lax.scan(lambda s, k: problem.step(theta, s, k), start, jr.split(step_key, steps))


def test_meta_gradient_is_that_of_finite_differences():
    """Of three steps of the lean rule and the score of what it learned, along random directions, in float64."""
    with jax.enable_x64():
        problem, theta = inner_loop(), lean(jr.key(1), hidden=4, signal=2, readout=1)
        theta = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), theta)
        vector, rebuild = jax.flatten_util.ravel_pytree(theta)
        loss = lambda vector: unrolled(problem, rebuild(vector), jr.key(2))[1].mean()
        # Compiled once for two directions at a time, so that values and gradients share one program.
        both = jax.jit(jax.vmap(jax.value_and_grad(loss)))
        value, gradient = both(vector[None].repeat(2, 0))
        assert value.dtype == jnp.float64 and jnp.linalg.norm(gradient[0]) > 1e-2
        for seed in range(4):
            direction = jr.normal(jr.key(seed), vector.shape)
            direction = 1e-6 * direction / jnp.linalg.norm(direction)
            (plus, minus), _ = both(vector + jnp.array([[1], [-1]]) * direction)
            exact = gradient[0] @ direction
            np.testing.assert_allclose((plus - minus) / 2, exact, rtol=1e-4)


def test_labels_do_not_reach_the_learner():
    """The inner loop ends in the same model whatever the classes are called; only its score is told."""
    theta = lean(jr.key(1), hidden=4, signal=2, readout=1)
    run = jax.jit(lambda problem: unrolled(problem, theta, jr.key(2)))
    (one, losses), (other, others) = run(inner_loop()), run(inner_loop(permutation=(0, 0, 1)))
    assert eqx.tree_equal(one.model, other.model)
    assert jnp.abs(losses - others).min() > 1e-4


@final
class Counting(AbstractProblem[Array]):
    """The loss of step n is n theta; one more for every step that a fresh run is given by its key."""

    horizon: Length

    def init(self, theta, key):
        return jnp.zeros(())

    def step(self, theta, state, key):
        return state + 1, (state + 1) * theta


def test_rollout_loss_is_the_mean_over_steps():
    for steps in (1, 4):
        loss = rollout_loss(Counting(Length(4)), jnp.asarray(0.5), jr.key(0), 3, steps)
        np.testing.assert_allclose(loss, 0.5 * (steps + 1) / 2, rtol=1e-6)


def data(seed, *shapes):
    return [jr.normal(jr.fold_in(jr.key(seed), index), shape) for index, shape in enumerate(shapes)]


def test_ridge_regression_is_the_normal_equations():
    with jax.enable_x64():
        features, targets = data(0, (12, 5), (12, 3))
        design = np.concatenate([features, np.ones((12, 1))], 1)
        penalty = 0.7 * np.diag([1.0] * 5 + [0.0])  # None on the bias.
        expected = np.linalg.solve(design.T @ design + penalty, design.T @ np.asarray(targets))
        np.testing.assert_allclose(ridge_regression(features, targets, 0.7), expected, rtol=1e-10)


def test_the_gradient_of_ridge_regression():
    """Through features, targets and penalty, also under vmap, that of a solver which is differentiated in full."""

    def plain(features, targets, ridge):
        design = jnp.concatenate([features, jnp.ones_like(features[:, :1])], 1)
        penalty = jnp.diag(ridge * jnp.ones(6).at[-1].set(0))
        return jnp.linalg.solve(design.T @ design + penalty, design.T @ targets)

    with jax.enable_x64():
        features, targets, cotangent = data(1, (2, 12, 5), (2, 12, 3), (6, 3))

        def gradients(solve):
            gradient = jax.grad(lambda *given: (solve(*given) * cotangent).sum(), (0, 1, 2))
            return jax.jit(jax.vmap(gradient))(features, targets, jnp.array([0.1, 2.0]))

        for ours, expected in zip(gradients(ridge_regression), gradients(plain)):
            np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-12)


@jax.jit
def objective_of(features, support_y, query_y):
    return RidgeObjective(ridge=1e-3).on_features(features, support_y, query_y)


def test_the_objective_ignores_the_scale_and_offset_of_targets():
    features, support_y, query_y = data(2, (24, 3), (12, 3), (12, 3))
    loss = objective_of(features, support_y, query_y)
    np.testing.assert_allclose(objective_of(features, 3 * support_y - 2, 0.1 * query_y + 5), loss, rtol=1e-4)
    assert abs(objective_of(features, support_y, -query_y) - loss) > 1e-2


def test_the_objective_knows_good_features_from_bad_ones():
    labels = jnp.repeat(jnp.eye(3), 4, axis=0)
    good, bad = jnp.concatenate([labels, labels]), data(3, (24, 3))[0]
    assert objective_of(good, labels, labels) < 1e-2 < 0.5 < objective_of(bad, labels, labels)


def test_scores_in_closed_form():
    prediction, target = jnp.array([[3.0, 4.0], [-2.0, 0.0]]), jnp.array([[1.0, 0.0], [1.0, 0.0]])
    np.testing.assert_allclose(Squared()(prediction, target), [20.0, 9.0])
    np.testing.assert_allclose(Cosine()(prediction, target), [2 - 2 * 0.6, 4.0], rtol=1e-6)
    np.testing.assert_allclose(Hinge()(prediction, target), [0.0, 3.0], atol=1e-6)


TRACES = []


@final
class Bowl(AbstractProblem[Array]):
    """The squared distance of theta from a centre, which the key shakes; not a number where `broken` says so."""

    centre: Array
    broken: Array
    horizon: Length = Length(4)

    def init(self, theta, key):
        return jr.normal(key)

    def step(self, theta, state, key):
        TRACES.append(None)
        loss = (theta - self.centre - 0.1 * jr.normal(key)) ** 2
        return state, jnp.where(self.broken, jnp.nan, loss)


def bowl(centre=1.0, broken=False):
    return Bowl(jnp.array(centre), jnp.array(broken))


OPTIMISER = optax.adam(0.1)


def learner(*problems):
    return MetaLearner(problems, TruncatedBackprop(Population(2), Length(2), None), OPTIMISER, averaging=0.75)


def learn(learner, theta, steps=4, seed=0):
    state = learner.init(theta, jr.key(seed))
    states, metrics = [state], []
    for _ in range(steps):
        state, measured = learner.step(state, jr.key(seed))
        states.append(state)
        metrics.append(measured)
    return states, metrics


def test_a_seed_decides_everything():
    theta = jnp.zeros((), jnp.float32)
    (*_, one), metrics = learn(learner(bowl()), theta)
    (*_, again), repeated = learn(learner(bowl()), theta)
    assert eqx.tree_equal(one, again) and eqx.tree_equal(metrics, repeated)
    (*_, other), _ = learn(learner(bowl()), theta, seed=1)
    assert one.theta != other.theta and 0 < one.theta < 1


@pytest.mark.parametrize("theta", [jnp.zeros((), jnp.float32), jnp.asarray(0.0)], ids=["strong", "weak"])
def test_nothing_is_traced_after_the_first_step(theta):
    trained = learner(bowl())
    state = trained.init(theta, jr.key(0))
    state, _ = trained.step(state, jr.key(0))
    before = len(TRACES)
    for seed in range(3):
        state, _ = trained.step(state, jr.key(seed))
    assert len(TRACES) == before > 0 and int(state.step) == 4


def test_what_is_not_finite_moves_nothing():
    theta = jnp.zeros((), jnp.float32)
    trained = learner(bowl())
    (*_, state), _ = learn(trained, theta, 2)
    after, metrics = learner(bowl(broken=True)).step(state, jr.key(0))
    assert metrics["nonfinite"] == 1
    assert eqx.tree_equal((after.theta, after.optimiser), (state.theta, state.optimiser))
    assert after.step == state.step + 1 and jnp.isfinite(after.average)
    better, metrics = trained.step(after, jr.key(0))
    assert metrics["nonfinite"] == 0 and better.theta != after.theta and jnp.isfinite(better.theta)


def test_the_average_follows_its_formula():
    states, _ = learn(learner(bowl()), jnp.zeros((), jnp.float32))
    average = states[0].theta
    assert states[0].average == average
    for state in states[1:]:
        average = 0.75 * average + 0.25 * state.theta
        np.testing.assert_allclose(state.average, average, rtol=1e-6)
    assert average != states[-1].theta


def test_problems_take_turns():
    states, metrics = learn(learner(bowl(0.0), bowl(10.0)), jnp.zeros((), jnp.float32), 4)
    losses = [float(measured["meta_loss"]) for measured in metrics]
    assert losses[0] < 1 < 50 < losses[1] and losses[2] < 1 < 50 < losses[3]
    ages = [[int(estimator.meta_step) for estimator in state.estimators] for state in states]
    assert ages == [[0, 0], [1, 0], [1, 1], [2, 1], [2, 2]]


def test_parts_of_theta_that_are_no_numbers_stay():
    @final
    class Mixed(AbstractProblem[Array]):
        horizon: Length = Length(2)

        def init(self, theta, key):
            return jnp.zeros(())

        def step(self, theta, state, key):
            weight, count, function = theta
            return state, function(weight * count).sum()

    theta = (jnp.ones(2), jnp.array(3), jnp.square)
    (*_, state), _ = learn(learner(Mixed()), theta, 1)
    assert state.theta[1] == 3 and state.theta[2] is jnp.square and (state.theta[0] < 1).all()
