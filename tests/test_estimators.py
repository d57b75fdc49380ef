"""One contract for all estimators, no exceptions by name."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Float
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
    NRES,
    PES,
    PESAnalytic,
    Population,
    RankShaping,
    SignShaping,
    TruncatedBackprop,
)


class Valley(AbstractProblem):
    """State and theta of many kinds; downhill is towards `goal`. A share `bad` of runs diverges at step 2."""

    goal: Float[Array, "2 3"]
    bad: Float[Array, ""]
    horizon: Length = Length(3)

    def init(self, theta, key):
        diverges = jr.uniform(key) < self.bad
        return {"x": theta["w"], "key": key, "time": jnp.zeros((), int), "diverges": diverges}

    def step(self, theta, state, key):
        x = 0.5 * state["x"] + 0.5 * theta["f"](theta["w"]) + 0.01 * (jr.uniform(key, (2, 3), state["x"].dtype) - 0.5)
        loss = ((x - self.goal) ** 2).sum() + (theta["b"] ** 2).sum().astype(float)
        loss = jnp.where(state["diverges"] & (state["time"] >= 1), jnp.nan, loss)
        return state | {"x": x, "time": state["time"] + 1}, loss


def identity(x):
    return x


THETA = {
    "w": jnp.full((2, 3), 0.5),
    "b": jnp.full(1, 0.25, jnp.bfloat16),
    "n": jnp.arange(3),
    "f": identity,
    "s": "text",
}
GOAL = THETA["w"] + jnp.arange(6.0).reshape(2, 3) - 2.5

# Each takes the number of particles to compute at a time.
ESTIMATORS = {
    "tbptt": lambda chunk: TruncatedBackprop(Population(16, 1, chunk), 2, None),
    "tbptt, grown": lambda chunk: TruncatedBackprop(Population(16, 1, chunk), Length(2, 3, 4, 0.5), 1.0),
    "backprop": lambda chunk: FullBackprop(Population(16, 1, chunk), None),
    "es": lambda chunk: AntitheticES(Population(8, 4, chunk), 2),
    "es, sign": lambda chunk: AntitheticES(Population(8, 4, chunk), 2, shaping=SignShaping()),
    "full-es": lambda chunk: FullES(Population(8, 4, chunk)),
    "pes": lambda chunk: PES(Population(8, 4, chunk), 2),
    "pes, regenerated": lambda chunk: PES(Population(8, 4, chunk), 2, regenerate=True),
    "pes-analytic": lambda chunk: PESAnalytic(PES(Population(8, 4, chunk), 2)),
    "nres": lambda chunk: NRES(Population(8, 4, chunk), 2),
    "nres-rank": lambda chunk: NRES(Population(8, 4, chunk), 2, shaping=RankShaping()),
    "gpes": lambda chunk: GPES(Population(8, 4, chunk), 2, every=2),
    "forward": lambda chunk: ForwardMode(Population(8, 4, chunk), 2),
    "forward, fresh": lambda chunk: ForwardMode(Population(8, 4, chunk), 2, reuse=False),
    "hybrid": lambda chunk: Hybrid(AntitheticES(Population(8, 4, chunk), 2)),
    "hybrid, independent": lambda chunk: Hybrid(NRES(Population(8, 4, chunk), 2), independent=True),
    "implicit": lambda chunk: Implicit(Population(16, 1, chunk), 2, clip=None),
    "evosax": lambda chunk: EvosaxSearch(members=32, tasks=2, chunk=chunk),
}


# The same contract with other options: in the quick suite one of each idea is enough.
NAMES = [pytest.param(name, marks=pytest.mark.slow) if "," in name else name for name in ESTIMATORS]


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def compiled(name):
    """An estimator's `init` and `estimate`, compiled once, and how often `estimate` was traced."""
    return compile_estimator(ESTIMATORS[name](None))


def compile_estimator(estimator):
    traces = []
    learned, rest = eqx.partition(THETA, eqx.is_array)

    @jax.jit
    def estimate(problem, theta, state, key):
        traces.append(None)
        return estimator.estimate(problem, eqx.combine(theta, rest), state, key)

    return estimator.init, lambda problem, state, key: estimate(problem, learned, state, key), traces


def run(compiled, bad=0.0, seed=0, meta_steps=5):
    init, estimate, _ = compiled
    problem = Valley(GOAL, jnp.asarray(bad, GOAL.dtype))
    state = init(problem, THETA, jr.key(seed))
    estimates = []
    for meta_step in range(meta_steps):
        one, state = estimate(problem, state, jr.fold_in(jr.key(seed), meta_step))
        estimates.append(one)
    return estimates


def test_shapes_and_one_trace(compiled):
    learned = eqx.filter(THETA, eqx.is_inexact_array)
    estimates = run(compiled)
    assert len(compiled[2]) == 1
    for one in estimates:
        for tree in one.grad, one.variance:
            assert jax.tree.structure(tree) == jax.tree.structure(learned)
            jax.tree.map(lambda x, y: (x.shape, x.dtype) == (y.shape, y.dtype) or pytest.fail(), tree, learned)
        assert all(bool((x >= 0).all()) for x in jax.tree.leaves(one.variance))
        assert one.loss.shape == () and bool(jnp.isfinite(one.loss)) and bool(one.usable)
        assert "nonfinite" in one.diagnostics and one.inner_steps > 0 and one.usable
        assert all(x.shape == () for x in one.diagnostics.values())


def test_same_key_same_estimate(compiled):
    first, again, other = run(compiled), run(compiled), run(compiled, seed=1)
    same = jax.tree.map(lambda x, y: bool(jnp.array_equal(x, y, equal_nan=True)), first, again)
    assert all(jax.tree.leaves(same))
    assert all(not jnp.array_equal(x.grad["w"], y.grad["w"]) for x, y in zip(first, other))


def test_points_uphill(compiled):
    uphill = THETA["w"] - GOAL
    for one in run(compiled):
        cosine = (one.grad["w"] * uphill).sum() / jnp.linalg.norm(one.grad["w"]) / jnp.linalg.norm(uphill)
        assert cosine > 0.3  # a random direction of 6 numbers is that close once in 4; five in a row, once in 1000


def test_diverging_particles_are_left_out_and_counted(compiled):
    shares = []
    for one in run(compiled, bad=0.4, meta_steps=6):
        shares.append(float(one.diagnostics["nonfinite"]))
        assert all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves(one.grad))
        assert not any(bool(jnp.isnan(x).any()) for x in jax.tree.leaves((one.loss, one.variance, one.diagnostics)))
        if one.usable:
            assert bool(jnp.isfinite(one.loss)) and float(jnp.abs(one.grad["w"]).max()) > 0
    assert 0 < np.mean(shares) < 1


def test_nothing_finite_is_not_usable(compiled):
    unusable = [one for one in run(compiled, bad=1.0) if not one.usable]
    assert len(unusable) >= 1
    for one in unusable:
        assert all(bool((x == 0).all()) for x in jax.tree.leaves(one.grad))
        assert not any(bool(jnp.isnan(x).any()) for x in jax.tree.leaves(one))


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [1, 2, 8])
def test_chunks_change_nothing(name, compiled, chunk):
    chunked = run(compile_estimator(ESTIMATORS[name](chunk)), bad=0.1)
    for one, other in zip(run(compiled, bad=0.1), chunked):
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x.astype(float), y.astype(float), 1e-2, 1e-4), one, other)


@pytest.mark.slow
@pytest.mark.parametrize("precision", [jnp.float32, jnp.float64])
def test_double_precision(name, precision, monkeypatch):
    """Where JAX computes in double precision, theta's own precisions decide those of the estimate."""
    with jax.enable_x64():
        theta = THETA | {"w": THETA["w"].astype(precision)}
        monkeypatch.setitem(THETA, "w", theta["w"])
        test_shapes_and_one_trace(compile_estimator(ESTIMATORS[name](None)))
