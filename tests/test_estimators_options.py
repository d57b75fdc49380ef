"""Options, bad input, and what is promised of memory."""

import functools

import equinox as eqx
import evosax.algorithms
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.meta import AbstractProblem, Length
from metarule.meta.estimators import (
    AntitheticES,
    EvosaxSearch,
    ForwardMode,
    FullBackprop,
    FullES,
    GPES,
    Hybrid,
    Implicit,
    Noise,
    NRES,
    PES,
    PESAnalytic,
    Population,
    RankShaping,
    SignShaping,
    TruncatedBackprop,
)
from metarule.meta.particles._moments import Moments
from toys import Drift


DRIFT = Drift(Length(6), 0.3 * jr.normal(jr.key(2), (7, 3)), jnp.linspace(1.0, 2.0, 6), 0.1)
THETA = jnp.array([0.3, -0.2, 0.5])


def grads(estimator, problem=DRIFT, theta=THETA, count=4):
    state, found = estimator.init(problem, theta, jr.key(0)), []
    estimate = jax.jit(estimator.estimate)
    for index in range(count):
        one, state = estimate(problem, theta, state, jr.key(index))
        found.append(one.grad)
    return np.stack(found)


def test_gpes_lies_between_pes_and_nres():
    """One noise a window is PES, one for an episode of three windows NRES; stored or drawn again, the same."""
    population = Population(4, 2)
    pes = grads(PES(population, 2))
    np.testing.assert_allclose(grads(GPES(population, 2, every=1)), pes, 1e-3, 1e-3)
    np.testing.assert_allclose(grads(PES(population, 2, regenerate=True)), pes, 1e-3, 1e-3)
    np.testing.assert_allclose(
        grads(GPES(population, 2, every=3, regenerate=True)), grads(NRES(population, 2)), 1e-3, 1e-3
    )


def test_antithetic_pairs_share_their_draws():
    """Noise in the loss that theta has no part in cancels within a pair, unless its members are told to draw apart."""

    class Noisy(AbstractProblem):
        size: jax.Array
        horizon: Length = Length(1)

        def init(self, theta, key):
            return self.size * jr.normal(key)

        def step(self, theta, state, key):
            return state, theta.sum() + state + self.size * jr.normal(key)

    quiet, loud = Noisy(jnp.array(0.0)), Noisy(jnp.array(1.0))
    together, apart = FullES(Population(4)), FullES(Population(4), Noise(common=False))
    np.testing.assert_allclose(grads(together, loud), grads(together, quiet), 1e-2, 1e-2)
    assert np.abs(grads(apart, loud) - grads(apart, quiet)).max() > 1


def test_noise_scale_by_leaf_and_schedule():
    theta = {"a": jnp.zeros(2), "b": [jnp.zeros(1), jnp.zeros((2, 2))], "n": 3}
    noise = Noise(0.1, {"a": 2.0, "b": [1.0, 0.5], "n": None}, lambda step: 1 / (1 + step))
    deviation = noise.deviation(theta, noise.factor(jnp.array(1)))
    np.testing.assert_allclose(deviation, np.array([0.2, 0.2, 0.1, 0.05, 0.05, 0.05, 0.05]) / 2, 1e-6)
    draws = jax.vmap(lambda key: noise.draw(key, theta))(jr.split(jr.key(0), 1000))
    np.testing.assert_allclose(draws.std(0), 1, atol=0.1)

    class Leaves(AbstractProblem):
        horizon: Length = Length(1)

        def init(self, theta, key):
            return jnp.zeros(())

        def step(self, theta, state, key):
            return state, theta["a"].sum() + 3 * theta["b"][0].sum() + theta["b"][1].sum()

    estimator = FullES(Population(1, 4000), noise)
    estimate, _ = jax.jit(lambda key: _estimate(estimator, Leaves(), theta, key))(jr.key(1))
    off = jax.tree.map(
        lambda g, v, true: jnp.abs(g - true) / jnp.sqrt(v),
        estimate.grad,
        estimate.variance,
        {"a": 1.0, "b": [3.0, 1.0], "n": None},
    )
    assert max(float(x.max()) for x in jax.tree.leaves(off)) < 4  # whatever the scales, the gradient's units are right


def _estimate(estimator, problem, theta, key):
    return estimator.estimate(problem, theta, estimator.init(problem, theta, key), key)


def test_shaping():
    differences = jnp.array([0.1, -3.0, jnp.nan, 0.0, 2.0])
    np.testing.assert_array_equal(SignShaping()(differences), [1, -1, np.nan, 0, 1])
    np.testing.assert_allclose(RankShaping()(differences), [0.5, -1, np.nan, 0, 0.75])
    np.testing.assert_allclose(RankShaping()(jnp.array([1.0, -1.0])), [0.75, -0.75])


def test_moments_of_blocks_are_those_of_all():
    x, out = jr.normal(jr.key(0), (12, 3)) + 100, jnp.arange(12) % 5 == 0
    parts = jnp.stack([~out & (jnp.arange(12) % 2 == 0), ~out & (jnp.arange(12) % 2 == 1)])
    x = jnp.where(out[:, None], jnp.nan, x)
    blocks = Moments.of(x[:1], parts[:, :1])
    for i in range(1, 12, 3):
        blocks = [a.merge(b) for a, b in zip(blocks, Moments.of(x[i : i + 3], parts[:, i : i + 3]))]
    whole = Moments.of(x, parts)
    for mask, moments in [*zip(parts, whole), *zip(parts, blocks), (~out, whole[0].merge(whole[1]))]:
        np.testing.assert_allclose(moments.mean, x[mask].mean(0), 1e-6)
        np.testing.assert_allclose(moments.variance, np.var(x[mask], 0, ddof=1), 1e-4)
        np.testing.assert_allclose(moments.variance_of_mean, np.var(x[mask], 0, ddof=1) / mask.sum(), 1e-4)
    (alone,) = Moments.of(x, jnp.arange(12)[None] == 1)
    assert jnp.isinf(alone.variance).all() and jnp.array_equal(alone.mean, x[1])


def test_length():
    draws = jax.vmap(lambda key: Length(2, 5).sample(key, jnp.array(0)))(jr.split(jr.key(0), 200))
    assert set(np.unique(draws)) == {2, 3, 4, 5}
    grown = Length(8000, 12_000, 20_000, 0.001)
    for meta_step, centre in (0, 10), (10_000, 5005), (20_000, 10_000), (30_000, 10_000):
        draws = jax.vmap(lambda key: grown.sample(key, jnp.array(meta_step)))(jr.split(jr.key(0), 400))
        assert 0.8 * centre - 1 <= draws.min() < draws.max() <= 1.2 * centre + 1
    assert Length(3).fixed and not grown.fixed and not Length(2, 5).fixed and Length(7).maximum == 7
    assert TruncatedBackprop(window=5).window == Length(5)


def test_runs_out_of_step():
    """Staggered particles end their episodes at different windows, as many at each as at any other."""
    estimator = TruncatedBackprop(Population(6), 2, None)
    state = estimator.init(DRIFT, THETA, jr.key(0))
    assert sorted(state.particles.length.tolist()) == [2, 2, 4, 4, 6, 6]
    ages = []
    for index in range(6):
        _, state = jax.jit(estimator.estimate)(DRIFT, THETA, state, jr.key(index))
        ages.append(sorted(state.particles.age.tolist()))
    assert ages[2:] == [[2, 2, 4, 4, 6, 6]] * 4


class Rounded(AbstractProblem):
    horizon: Length = Length(4)

    def init(self, theta, key):
        return jnp.ones(())

    def step(self, theta, state, key):
        return state * jnp.round(theta.sum()), state


class Looping(AbstractProblem):
    horizon: Length = Length(4)

    def init(self, theta, key):
        return jnp.ones(())

    def step(self, theta, state, key):
        return jax.lax.while_loop(lambda x: x < 5, lambda x: x + theta.sum() ** 2, state), state


@jax.custom_vjp
def pulled_only(x):
    return x**2


pulled_only.defvjp(lambda x: (x**2, x), lambda x, cotangent: (2 * x * cotangent,))


class PulledOnly(AbstractProblem):
    horizon: Length = Length(4)

    def init(self, theta, key):
        return jnp.ones(())

    def step(self, theta, state, key):
        return state + pulled_only(theta.sum()), state


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: Noise(0.0), "scale"),
        (lambda: Noise(-1.0), "scale"),
        (lambda: Noise(float("nan")), "scale"),
        (lambda: Noise(0.1, [1.0, 0.0]), "scale"),
        (lambda: Length(0), "length"),
        (lambda: Length(5, 4), "length"),
        (lambda: Length(5, 6, 10, 0.0), "grow"),
        (lambda: NRES(window=0), "length"),
        (lambda: Population(0), "1 or more"),
        (lambda: Population(2, 3, 4), "chunk"),
        (lambda: Population(2, 3, 0), "chunk"),
        (lambda: GPES(every=0), "every"),
        (lambda: TruncatedBackprop(Population(2, 2)), "tasks"),
        (lambda: FullBackprop(clip=0.0), "clip"),
        (lambda: Implicit(Population(2, 2)), "tasks"),
        (lambda: Implicit(terms=0), "1 or more terms"),
        (lambda: Hybrid(NRES(Population(1, 1))), "variance"),
        (lambda: Hybrid(NRES(Population(3)), independent=True), "4"),
        (lambda: Hybrid(NRES(shaping=SignShaping())), "shaped"),
        (lambda: EvosaxSearch(members=7), "even"),
        (lambda: EvosaxSearch(scale=0.0), "scale"),
        (lambda: EvosaxSearch(evosax.algorithms.PersistentES), "pes"),
        (lambda: NRES(window=10).check(DRIFT, THETA, jr.key(0)), "longer than the longest horizon"),
        (lambda: NRES(window=2).check(DRIFT, {"n": 3}, jr.key(0)), "nothing to learn"),
        (lambda: TruncatedBackprop(window=2).check(DRIFT, {"n": 3}, jr.key(0)), "nothing to learn"),
        (lambda: EvosaxSearch().check(DRIFT, {"n": 3}, jr.key(0)), "nothing to learn"),
        (lambda: TruncatedBackprop(window=2).check(Rounded(), THETA, jr.key(0)), "evolution"),
        (lambda: FullBackprop().check(Rounded(), THETA, jr.key(0)), "evolution"),
        (lambda: Implicit().check(Rounded(), THETA, jr.key(0)), "evolution"),
        (lambda: Hybrid(AntitheticES(window=2)).check(Rounded(), THETA, jr.key(0)), "evolution"),
        (lambda: PESAnalytic(PES(window=2)).check(Rounded(), THETA, jr.key(0)), "evolution"),
        (lambda: ForwardMode(window=2).check(Rounded(), THETA, jr.key(0)), "evolution"),
        (lambda: TruncatedBackprop(window=2).check(Looping(), THETA, jr.key(0)), "reverse"),
    ],
)
def test_bad_input(make, says):
    with pytest.raises(BadInput, match=says) as caught:
        make()
    assert str(caught.value).count(". ") == 0


def test_forward_mode_takes_a_loop_that_reverse_mode_can_not():
    ForwardMode(window=2).check(Looping(), THETA, jr.key(0))


def test_reverse_mode_takes_a_derivative_that_forward_mode_can_not():
    TruncatedBackprop(window=2).check(PulledOnly(), THETA, jr.key(0))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:optax.global_norm:DeprecationWarning")
@pytest.mark.parametrize("name", sorted(evosax.algorithms.algorithms))
def test_every_algorithm_of_evosax(name):
    """Each either searches in one compiled program, or is refused with a sentence."""
    algorithm = evosax.algorithms.algorithms[name]
    if name == "RandomSearch":
        algorithm = functools.partial(algorithm, sampling_fn=lambda key: jr.normal(key, (3,)))
    try:
        search = EvosaxSearch(algorithm, 8, 2)
    except BadInput:
        assert name in ("NoiseReuseES", "PersistentES", "SV_CMA_ES", "SV_Open_ES")
        return
    theta, found = THETA, []
    state = eqx.filter_jit(search.init)(DRIFT, theta, jr.key(0))
    estimate = jax.jit(search.estimate)
    for index in range(10):
        one, state = estimate(DRIFT, theta, state, jr.key(index))
        theta = theta - one.grad
        found.append(float(one.loss))
    assert estimate._cache_size() == 1 and np.isfinite(theta).all() and not np.array_equal(theta, THETA)
