"""Meta-steps are traced once, and then read, unless they could be others."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import metarule.launch._traces
import numpy as np
import optax
import pytest
from metarule.launch._traces import Traces
from metarule.meta import AbstractProblem, Drift, Length, MetaLearner
from metarule.meta.estimators import EvosaxSearch, PES, Population, TruncatedBackprop
from metarule.tasks import BadInput


TRACED = []
SETTINGS = {"code": "this", "learning_rate": 0.1}
HORIZON = Length(6)


class Counted(AbstractProblem):
    """A problem that says when it is traced."""

    problem: Drift
    horizon: Length

    def init(self, theta, key):
        return self.problem.init(theta, key)

    def step(self, theta, state, key):
        TRACED.append(None)
        return self.problem.step(theta, state, key)


def learner_of(estimator=TruncatedBackprop(Population(2), Length(3)), size=3, problems=1):
    problem = Counted(Drift(horizon=HORIZON, pushes=jnp.ones((7, size)), weights=jnp.ones(6)), HORIZON)
    return MetaLearner((problem,) * problems, estimator, optax.adam(0.1)), jnp.ones(size)


def run(traces, learner, theta, steps=3):
    """Some steps, as a new process would take them: with nothing that JAX remembers of earlier ones."""
    jax.clear_caches()
    TRACED.clear()
    state = eqx.filter_jit(learner.init)(theta, jr.key(0), rehearsed=traces.know(learner, theta))
    for _ in range(steps):
        state, metrics = learner.step(state, jr.key(1), traces.jit)
    return state, metrics, len(TRACED)


def same(one, other):
    one, other = (jax.tree.leaves(eqx.filter(tree, eqx.is_array)) for tree in (one, other))
    assert len(one) == len(other)
    for left, right in zip(one, other):
        assert left.dtype == right.dtype
        if jnp.issubdtype(left.dtype, jax.dtypes.prng_key):
            left, right = jr.key_data(left), jr.key_data(right)
        assert left.weak_type == right.weak_type
        np.testing.assert_array_equal(left, right)
    return True


@pytest.fixture
def folder(tmp_path):
    before = jax.config.values["jax_compilation_cache_dir"]
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    yield tmp_path
    jax.config.update("jax_compilation_cache_dir", before)


def written(folder):
    return sorted(file for file in folder.iterdir() if file.name.startswith("step-"))


ESTIMATORS = {
    "backprop": TruncatedBackprop(Population(2), Length(3)),
    "pes": PES(Population(2, 2), Length(3)),
    "evosax": EvosaxSearch(members=4, tasks=1),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_second_start_traces_no_step_and_computes_the_same(folder, name):
    learner, theta = learner_of(ESTIMATORS[name])
    state = learner.init(theta, jr.key(0))
    for _ in range(3):
        state, metrics = learner.step(state, jr.key(1))
    first, first_metrics, _ = run(Traces(SETTINGS), learner, theta)
    second, second_metrics, traced = run(Traces(SETTINGS), learner, theta)
    assert traced == 0 and len(written(folder)) == 1
    assert same(first, second) and same(first_metrics, second_metrics)
    assert same(state, first) and same(metrics, first_metrics)
    assert jax.tree.structure(state) == jax.tree.structure(second)


def test_what_could_be_another_step_is_traced(folder):
    learner, theta = learner_of()
    run(Traces(SETTINGS), learner, theta, steps=1)
    others = {
        "itself": (SETTINGS, learner, theta),
        "alike": (SETTINGS, learner_of(problems=2)[0], theta),
        "code": ({**SETTINGS, "code": "other"}, learner, theta),
        "settings": ({**SETTINGS, "learning_rate": 0.2}, learner, theta),
        "averaging": (SETTINGS, dataclasses.replace(learner, averaging=0.5), theta),
        "pace": (SETTINGS, dataclasses.replace(learner, pace=jnp.asarray(0.5)), theta),
        "estimator": (SETTINGS, learner_of(PES(Population(2, 2), Length(3)))[0], theta),
        "particles": (SETTINGS, learner_of(TruncatedBackprop(Population(4), Length(3)))[0], theta),
        "size": (SETTINGS, *learner_of(size=4)),
        "type": (SETTINGS, learner, theta.astype(jnp.float16)),
    }
    known = [name for name, (settings, *made) in others.items() if Traces(settings).know(*made)]
    assert known == ["itself", "alike"]
    with jax.default_matmul_precision("float32"):
        assert not Traces(SETTINGS).know(learner, theta)
    _, _, traced = run(Traces({**SETTINGS, "code": "other"}), learner, theta, steps=1)
    assert traced > 0 and len(written(folder)) == 2


@pytest.mark.parametrize("harm", [lambda b: b[:-1], lambda b: b[:300] + bytes([b[300] ^ 1]) + b[301:]])
def test_a_damaged_trace_is_made_again(folder, harm):
    learner, theta = learner_of()
    before, _, _ = run(Traces(SETTINGS), learner, theta, steps=1)
    (file,) = written(folder)
    whole = file.read_bytes()
    file.write_bytes(harm(whole))
    traces = Traces(SETTINGS)
    assert not traces.know(learner, theta)
    after, _, traced = run(traces, learner, theta, steps=1)
    assert traced > 0 and same(before, after) and traces.know(learner, theta) and len(file.read_bytes()) == len(whole)


def test_without_a_place_or_a_name_it_traces_each_time(folder):
    learner, theta = learner_of()
    for settings, place in ({"function": lambda: 0}, str(folder)), (SETTINGS, None):
        jax.config.update("jax_compilation_cache_dir", place)
        for _ in range(2):
            _, _, traced = run(Traces(settings), learner, theta, steps=1)
            assert traced > 0 and not written(folder)  # Another process's function may well have this address.


def test_what_can_not_be_written_is_run(folder, monkeypatch):
    def refuse(*_):
        raise ValueError("Cannot serialize code with custom calls")

    monkeypatch.setattr(metarule.launch._traces.export, "export", refuse)
    learner, theta = learner_of()
    for _ in range(2):
        _, _, traced = run(Traces(SETTINGS), learner, theta, steps=1)
        assert traced > 0 and not written(folder)


def test_what_does_not_suit_is_refused_before_a_step(folder):
    class Flat(AbstractProblem):
        horizon: Length

        def init(self, theta, key):
            return jnp.zeros(())

        def step(self, theta, state, key):
            return state, jnp.sign(theta).sum()

    learner = MetaLearner((Flat(HORIZON),), TruncatedBackprop(Population(2), Length(3)), optax.adam(0.1))
    for _ in range(2):
        with pytest.raises(BadInput, match="evolution strategy"):
            run(Traces(SETTINGS), learner, jnp.ones(3))
    assert not written(folder)
