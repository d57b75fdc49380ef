"""Known answers: other people's problems, other people's code, closed forms."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from evosax.algorithms import NoiseReuseES, Open_ES, PersistentES
from jaxtyping import Array, Float
from metarule.meta import AbstractProblem, Length
from metarule.meta.estimators import (
    ForwardMode,
    FullBackprop,
    FullES,
    GPES,
    Noise,
    NRES,
    PES,
    PESAnalytic,
    Population,
    TruncatedBackprop,
)
from toys import Drift


def losses(problem, theta, steps):
    """The losses of an episode without noise of its own, in plain Python."""
    state, found = problem.init(theta, jr.key(0)), []
    for step in range(steps):
        state, loss = problem.step(theta, state, jr.key(0))
        found.append(loss)
    return jnp.stack(found)


def windows(estimator, problem, theta, count, key=jr.key(0)):
    """The first `count` estimates at one theta, and the states before them."""
    state = estimator.init(problem, theta, key)
    estimate = jax.jit(estimator.estimate)
    for index in range(count):
        before = state
        one, state = estimate(problem, theta, state, jr.fold_in(key, index))
        yield one, before


DRIFT = Drift(Length(7), 0.3 * jr.normal(jr.key(2), (8, 3)), jnp.linspace(1.0, 2.0, 7))
THETA = jnp.array([0.3, -0.2, 0.5])


def test_full_backprop_is_grad():
    ((estimate, _),) = windows(FullBackprop(Population(2), None), DRIFT, THETA, 1)
    grad = jax.grad(lambda theta: losses(DRIFT, theta, 7).mean())(THETA)
    np.testing.assert_allclose(estimate.grad, grad, 1e-5)
    np.testing.assert_allclose(estimate.loss, losses(DRIFT, THETA, 7).mean(), 1e-6)


def test_clipping_keeps_the_direction():
    ((cut, _),) = windows(FullBackprop(Population(1), 0.01), DRIFT, THETA, 1)
    grad = jax.grad(lambda theta: losses(DRIFT, theta, 7).mean())(THETA)
    np.testing.assert_allclose(cut.grad, 0.01 * grad / jnp.linalg.norm(grad), 1e-5)
    assert cut.diagnostics["clipped"] == 1


@pytest.mark.parametrize("reuse", [True, False])
def test_forward_is_jvp(reuse):
    """Over the windows of an episode, slope times direction, both from `jax.jvp` along the direction that was drawn."""
    estimator = ForwardMode(Population(1, 1, stagger=False), 3, reuse)
    key, carried, credit = jr.key(5), [], 0
    for index, (estimate, _) in enumerate(windows(estimator, DRIFT, THETA, 3, key)):
        own = jax.tree.map(lambda x: x[0], estimator.population.keys(jr.fold_in(key, 0), jnp.array(0))).own
        carried.append(Noise().draw(jr.fold_in(own, 0 if reuse else index), THETA))
        start, end = 3 * index, min(7, 3 * index + 3)
        credit = carried[-1] if reuse else credit + carried[-1]

        def summed(shifts):  # a shift of theta for each window, as in PES
            state, total = DRIFT.init(THETA + shifts[0], jr.key(0)), 0
            for step in range(end):
                state, loss = DRIFT.step(THETA + shifts[step // 3], state, jr.key(0))
                total += loss if step >= start else 0
            return total

        _, slope = jax.jvp(summed, (jnp.zeros((index + 1, 3)),), (jnp.stack(carried),))
        np.testing.assert_allclose(estimate.grad, 3 / 7 * slope * credit, 1e-4, 1e-6)


def noise_of(estimator, pairs, key, index=0):
    """The noise that the pairs drew when their episodes began with this meta-step's key."""
    keys = estimator.population.keys(key, jnp.array(0))
    return jnp.stack([estimator.noise.draw(jr.fold_in(keys.own[i], index), THETA) for i in range(pairs)])


def test_full_es_is_open_es_of_evosax():
    estimator = FullES(Population(1, 6), Noise(0.1))
    key = jr.key(3)
    ((estimate, _),) = windows(estimator, DRIFT, THETA, 1, key)
    noise = 0.1 * noise_of(estimator, 6, jr.fold_in(key, 0))
    population = THETA + jnp.concatenate([noise, -noise])
    fitness = jnp.stack([losses(DRIFT, theta, 7).mean() for theta in population])
    theirs = Open_ES(
        12, THETA, optimizer=optax.sgd(1.0), std_schedule=optax.constant_schedule(0.1), fitness_shaping_fn=identity
    )
    state = theirs.init(key, THETA, theirs.default_params)
    state, _ = theirs.tell(key, population, fitness, state, theirs.default_params)
    np.testing.assert_allclose(estimate.grad, THETA - state.mean, 1e-3, 1e-5)
    np.testing.assert_allclose(estimate.loss, fitness.mean(), 1e-5)


def identity(population, fitness, state, params):
    return fitness


@pytest.mark.parametrize("ours, theirs", [(NRES, NoiseReuseES), (PES, PersistentES)])
def test_persistent_estimators_are_those_of_evosax(ours, theirs):
    """A whole episode of 7 steps in windows of 3, the noise and the losses of every window given to evosax."""
    estimator = ours(Population(1, 6, stagger=False), 3, Noise(0.1))
    theirs = theirs(12, THETA, optimizer=optax.sgd(1.0), std_schedule=optax.constant_schedule(0.1))
    params = theirs.default_params.replace(T=9, K=3)
    key = jr.key(4)
    state = theirs.init(key, THETA, params)
    states, accumulated = [None] * 12, 0
    for index, (estimate, _) in enumerate(windows(estimator, DRIFT, THETA, 3, key)):
        state = state.replace(mean=THETA)
        noise = 0.1 * noise_of(estimator, 6, jr.fold_in(key, 0), 0 if ours is NRES else index)
        noise = jnp.concatenate([noise, -noise])
        _, state = theirs.ask(key, state, params)
        if ours is PES:
            accumulated += noise
            state = state.replace(pert_accum=accumulated)
        else:
            state = state.replace(pert=noise)
        fitness = []
        for i, theta in enumerate(THETA + noise):
            if index == 0:
                states[i] = DRIFT.init(theta, key)
            total = 0
            for _ in range(3 * index, min(7, 3 * index + 3)):
                states[i], loss = DRIFT.step(theta, states[i], key)
                total += loss
            fitness.append(3 / 7 * total)
        state, _ = theirs.tell(key, THETA + noise, jnp.stack(fitness), state, params)
        np.testing.assert_allclose(estimate.grad, THETA - state.mean, 1e-3, 2e-5)


class Descent(AbstractProblem):
    """Gradient descent on w'Hw/2 - w'B theta from its minimum at `start`; scored at every window's last step."""

    hessian: Float[Array, "n n"]
    mixed: Float[Array, "n parameter"]
    start: Float[Array, " n"]
    horizon: Length
    rate: float = 0.1

    def init(self, theta, key):
        return self.start, jnp.array(0)

    def step(self, theta, state, key):
        w, time = state
        w = w - self.rate * (self.hessian @ w - self.mixed @ theta)
        return (w, time + 1), jnp.where((time + 1) % 5 == 0, 5 * jnp.sin(w).sum(), 0)


def test_truncated_backprop_at_a_fixed_point_is_a_neumann_series():
    a = jr.normal(jr.key(0), (4, 4))
    hessian, mixed = a @ a.T / 4 + jnp.eye(4), jr.normal(jr.key(1), (4, 3))
    problem = Descent(hessian, mixed, jnp.linalg.solve(hessian, mixed @ THETA), Length(20))
    series = sum(jnp.linalg.matrix_power(jnp.eye(4) - 0.1 * hessian, k) for k in range(5))
    expected = 0.1 * mixed.T @ series @ jnp.cos(problem.start)
    for estimate, _ in windows(TruncatedBackprop(Population(1), 5, None), problem, THETA, 3):
        np.testing.assert_allclose(estimate.grad, expected, 1e-4)


class Line(AbstractProblem):
    """A sum of windows' own slopes . theta, all of it told at the last step."""

    slopes: Float[Array, "window parameter"]
    horizon: Length

    def init(self, theta, key):
        return jnp.zeros(()), jnp.array(0)

    def step(self, theta, state, key):
        total, time = state
        total = total + self.slopes[time] @ theta
        last = time + 1 == self.horizon.maximum
        return (total, time + 1), jnp.where(last, total, 0)


@pytest.mark.parametrize("every", [1, pytest.param(2, marks=pytest.mark.slow), 4])
def test_variance_of_gpes(every):
    """E|g|^2 of a pair is (d + 2) |sum g_c|^2 + d/2 sum |g_c - g_c'|^2 over the segments c that share a noise."""
    d, n = 3, 100_000
    slopes = jr.normal(jr.key(8), (4, d))
    *_, (estimate, _) = windows(
        GPES(Population(1, n, stagger=False), 1, Noise(0.1), every=every), Line(slopes, Length(4)), THETA, 4
    )
    g = slopes.reshape(4 // every, every, d).sum(1)
    expected = (d + 2) * (g.sum(0) ** 2).sum() + d / 2 * ((g[:, None] - g[None]) ** 2).sum()
    measured = n * estimate.variance.sum() + (estimate.grad**2).sum()
    np.testing.assert_allclose(measured, expected, rtol=0.05)  # its own standard error is about 1%


def test_pes_analytic_of_a_quadratic():
    """Unbiased there, at a fraction of the variance of PES."""

    class Quadratic(AbstractProblem):
        horizon: Length = Length(4)

        def init(self, theta, key):
            return jnp.zeros(3)

        def step(self, theta, state, key):
            state = 0.7 * state + theta
            return state, 0.5 * (state**2).sum()

    problem = Quadratic()
    grad = jax.grad(lambda theta: losses(problem, theta, 4).mean())(THETA)
    pes = PES(Population(1, 20_000, stagger=False), 1, Noise(0.3))
    ours = [one for one, _ in windows(PESAnalytic(pes), problem, THETA, 4)]
    plain = [one for one, _ in windows(pes, problem, THETA, 4)]
    variance = sum(one.variance for one in ours) / 16
    assert (jnp.abs(sum(one.grad for one in ours) / 4 - grad) < 4 * jnp.sqrt(variance)).all()
    assert jnp.sqrt(variance.sum()) < 0.02 * jnp.linalg.norm(grad)
    assert variance.sum() < 0.6 * sum(one.variance for one in plain).sum() / 16
