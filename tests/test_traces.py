"""Meta-steps are traced once, and then read, unless they could be others."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from metarule.launch.caches import _meta_steps as _traces, _store as _store
from metarule.launch.caches._meta_steps import CompiledStepCache
from metarule.launch.options._objectives import OBJECTIVES
from metarule.launch.options._presets import PRESETS
from metarule.launch.options._recipes import Lean
from metarule.launch.records._description import describe
from metarule.launch.training._experiment import Experiment
from metarule.launch.training._meta_training import MetaTraining
from metarule.meta import AbstractProblem, Length, meta_step, MetaLearner
from metarule.meta.estimators import EvosaxSearch, PES, Population, TruncatedBackprop
from toys import Drift


SETTINGS = {"code": "this", "learning_rate": 0.1}
# Of steps with a class from outside the package nothing is stored: this problem is to count as one of the package's.
Drift.__module__ = "metarule.toys"

HORIZON = Length(6)
BACKPROP = TruncatedBackprop(Population(2), Length(3))


def drift(size=3, weights=6):
    return Drift(horizon=HORIZON, pushes=jnp.ones((7, size)), weights=jnp.ones(weights))


def learner_of(estimator=BACKPROP, problems=(drift(),)):
    return MetaLearner(problems, estimator, optax.adam(0.1))


THETA = jnp.ones(3)


@pytest.fixture
def traced(monkeypatch):
    """An entry for every time that a step was traced."""
    found = []
    monkeypatch.setattr(_traces, "meta_step", lambda *arguments: found.append(None) or meta_step(*arguments))
    return found


@pytest.fixture
def compiled():
    """An entry for every time that a trace was compiled, or found to be."""
    found = []

    def listen(event, seconds, **more):
        if event == "/jax/core/compile/backend_compile_duration" and more.get("fun_name") == "jit(call)":
            found.append(seconds)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield found
    jax.monitoring.unregister_event_duration_listener(listen)


def run(traces, learner, theta=THETA, steps=3):
    """Some steps, as a new process would take them: with nothing that is remembered of earlier ones."""
    jax.clear_caches()
    _traces._read.cache_clear()
    if not traces.know(learner, theta):
        learner.check(theta, jr.key(0))
    state = eqx.filter_jit(learner.init)(theta, jr.key(0))
    for _ in range(steps):
        state, metrics = learner.step(state, jr.key(1), traces)
    return state, metrics


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


def written(compilations):
    return sorted(file for file in compilations.iterdir() if file.name.startswith("step-"))


ESTIMATORS = {
    "backprop": BACKPROP,
    "pes": PES(Population(2, 2), Length(3)),
    "evosax": EvosaxSearch(members=4, tasks=1),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_second_start_traces_no_step_and_computes_the_same(compilations, traced, compiled, name):
    learner = learner_of(ESTIMATORS[name])
    state = learner.init(THETA, jr.key(0))
    for _ in range(3):
        state, metrics = learner.step(state, jr.key(1))
    first = run(CompiledStepCache(SETTINGS), learner)
    assert len(traced) == len(compiled) == len(written(compilations)) == 1
    second = run(CompiledStepCache(SETTINGS), learner)
    assert len(compiled) == 2
    assert len(traced) == 1 and same(first, second) and same((state, metrics), first)
    assert jax.tree.structure((state, metrics)) == jax.tree.structure(second)


def test_what_could_be_another_step_is_traced(compilations, traced, monkeypatch):
    learner = learner_of()
    run(CompiledStepCache(SETTINGS), learner, steps=1)
    slow = dataclasses.replace(learner, step_scale=jnp.asarray(0.5))
    clipped = dataclasses.replace(BACKPROP, clip=0.5)  # A number, not an array.
    others = {
        "itself": (SETTINGS, learner),
        "alike": (SETTINGS, learner_of(problems=(drift(), drift()))),
        "one of two": (SETTINGS, learner_of(problems=(drift(), drift(4)))),
        "code": ({**SETTINGS, "code": "other"}, learner),
        "settings": ({**SETTINGS, "learning_rate": 0.2}, learner),
        "averaging": (SETTINGS, dataclasses.replace(learner, averaging=0.5)),
        "pace": (SETTINGS, slow),
        "number": (SETTINGS, learner_of(clipped)),
        "estimator": (SETTINGS, learner_of(ESTIMATORS["pes"])),
        "particles": (SETTINGS, learner_of(TruncatedBackprop(Population(4), Length(3)))),
        "size": (SETTINGS, learner_of(problems=(drift(4),))),
    }
    assert [name for name, (settings, made) in others.items() if CompiledStepCache(settings).know(made, THETA)] == [
        "itself", "alike",
    ]  # fmt: skip
    knows = lambda theta=THETA: CompiledStepCache(SETTINGS).know(learner, theta)
    assert knows() and not knows(THETA.astype(jnp.float16)) and not knows((THETA, jnp.square))
    weak = dataclasses.replace(learner, step_scale=jnp.asarray(0.5))
    strong = dataclasses.replace(learner, step_scale=jnp.asarray(0.5, jnp.float32))
    assert weak.step_scale.weak_type and not strong.step_scale.weak_type
    assert CompiledStepCache(SETTINGS)._name(weak, THETA) != CompiledStepCache(SETTINGS)._name(strong, THETA)
    with jax.default_matmul_precision("float32"):
        assert not knows()
    with monkeypatch.context() as patched:
        patched.setattr(_traces, "version", lambda library: "0")
        assert not knows()
    with monkeypatch.context() as patched:
        patched.setattr(_traces, "device_count", lambda: 2)
        assert not knows()


def test_each_problem_and_pace_has_its_own(compilations, traced):
    learner, traces = learner_of(problems=(drift(weights=6), drift(weights=7))), CompiledStepCache(SETTINGS)
    state, _ = run(traces, learner, steps=1)
    assert not traces.know(learner, THETA)
    state, _ = learner.step(state, jr.key(1), traces)
    assert traces.know(learner, THETA) and len(traced) == 2
    slow = dataclasses.replace(learner, step_scale=jnp.asarray(0.5))
    found, expected = slow.step(state, jr.key(1), traces), slow.step(state, jr.key(1))
    assert len(traced) == 3 and same(found, expected)
    assert same(learner.step(state, jr.key(1), traces), learner.step(state, jr.key(1))) and len(traced) == 3


@pytest.mark.parametrize("harm", [lambda b: b[:-1], lambda b: b[:300] + bytes([b[300] ^ 1]) + b[301:]])
def test_a_damaged_trace_is_made_again(compilations, traced, harm):
    learner, traces = learner_of(), CompiledStepCache(SETTINGS)
    before = run(traces, learner, steps=1)
    (file,) = written(compilations)
    whole = file.read_bytes()
    file.write_bytes(harm(whole))
    traces = CompiledStepCache(SETTINGS)
    assert not traces.know(learner, THETA)
    after = run(traces, learner, steps=1)
    assert len(traced) == 2 and same(before, after) and traces.know(learner, THETA)
    assert len(file.read_bytes()) == len(whole)


class Bowl(AbstractProblem):
    """A problem of somebody else's."""

    horizon: Length

    def init(self, theta, key):
        return jnp.zeros(())

    def step(self, theta, state, key):
        return state, (theta**2).sum()


def test_without_a_place_or_a_sure_name_nothing_is_kept(compilations, monkeypatch):
    expected = run(CompiledStepCache(SETTINGS), learner_of(problems=(Bowl(HORIZON),)), steps=1)
    assert not written(compilations)  # This package's code does not tell what a bowl computes.
    with monkeypatch.context() as patched:
        patched.setattr(_store, "is_edited", lambda: True)
        run(CompiledStepCache(SETTINGS), learner_of(), steps=1)
    # Another process's function may well have the address of this one's.
    assert same(
        expected, run(CompiledStepCache({"function": lambda: 0}), learner_of(problems=(Bowl(HORIZON),)), steps=1)
    )
    run(CompiledStepCache({"function": lambda: 0}), learner_of(), steps=1)
    for name, value in ("jax_compilation_cache_dir", None), ("jax_enable_compilation_cache", False):
        before = jax.config.values[name]
        jax.config.update(name, value)
        run(CompiledStepCache(SETTINGS), learner_of(), steps=1)
        jax.config.update(name, before)
    assert not written(compilations)


@pytest.mark.parametrize("error", [ValueError, KeyError, NotImplementedError, TypeError])
def test_what_can_not_be_written_is_run(compilations, monkeypatch, error):
    def refuse(*_):
        raise error("custom calls")

    expected = run(CompiledStepCache(SETTINGS), learner_of(), steps=1)
    monkeypatch.setattr(_traces.export.Exported, "serialize", refuse)
    assert same(expected, run(CompiledStepCache({**SETTINGS, "more": 1}), learner_of(), steps=1))
    assert len(written(compilations)) == 1


TINY = dataclasses.replace(
    PRESETS["quick"],
    rule=Lean(hidden=4, signal=2, readout=1),
    estimator=TruncatedBackprop(Population(2), Length(2)),
    networks=("4",),
    ways=3,
    shots=2,
    batch_sizes=(6,),
    augmentation="none",
    horizon=Length(4),
)


def test_a_run_knows_the_steps_of_its_like(compilations):
    def training(**changes):
        training = dataclasses.replace(TINY, **changes)
        made = MetaTraining(Experiment.of(training, None))
        return made, made.experiment.rule

    def knows(**changes):
        made, rule = training(**changes)
        return made._step.know(made.learner, rule)

    made, rule = training()
    assert not knows()
    start = made.init()
    state, metrics = made.learner.step(start.meta, made.key, made._step)
    assert math.isfinite(metrics["meta_loss"]) and len(written(compilations)) == 1
    assert knows() and knows(seed=5, labels=3, seeds=1, held_out=(), validate_every=7, checkpoint_every=7)
    others = {"learning_rate": 0.02, "steps": 77, "activation": "tanh", "optimiser": "sgd", "averaging": 0.5}
    others |= {
        "networks": ("5",),
        "weight_scale": 0.2,
        "objective": OBJECTIVES["hinge"],
        "updates": 2,
        "augmentation": "light",
    }
    assert not [name for name, value in others.items() if knows(**{name: value})]
    assert not set(others) - describe(TINY).keys()
