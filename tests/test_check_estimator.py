"""What `metarule.testing.check_estimator` accepts and refuses."""

import runpy
from dataclasses import replace
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import pytest
from metarule.errors import BadInput
from metarule.meta import AbstractProblem, Length, MetaLearner
from metarule.meta.estimators import (
    AbstractEstimator,
    AntitheticES,
    Estimate,
    EvosaxSearch,
    ForwardMode,
    FullES,
    GPES,
    Hybrid,
    Implicit,
    Noise,
    NRES,
    PES,
    PESAnalytic,
    Population,
    TruncatedBackprop,
)
from metarule.testing import check_estimator, check_estimator_form


class Pull(AbstractProblem):
    """A state that theta pulls at; the loss is linear in theta, so that every unbiased estimator has one mean."""

    horizon: Length = Length(4)

    def init(self, theta, key):
        return jnp.zeros(2)

    def step(self, theta, state, key):
        state = state + theta["pull"] + 0.1 * jr.normal(key, (2,))
        return state, state @ jnp.array([1.0, -2.0])


PROBLEM, THETA = Pull(), {"pull": jnp.array([0.3, -0.1]), "name": "fixed"}
# The mean over t = 1..4 of t, times the slopes.
GRADIENT = 2.5 * jnp.array([1.0, -2.0])
PAIRS, NOISE = Population(4, 2), Noise(0.1)
BUILT_IN = {
    "tbptt": TruncatedBackprop(Population(4), 2),
    "pes": PES(PAIRS, 2, NOISE),
    "evosax": EvosaxSearch(members=4, tasks=2),
    "es": AntitheticES(PAIRS, 2, NOISE),
    "nres": NRES(PAIRS, 2, NOISE),
    "gpes": GPES(PAIRS, 2, NOISE),
    "full-es": FullES(PAIRS, NOISE),
    "forward": ForwardMode(PAIRS, 2),
    "pes-analytic": PESAnalytic(PES(PAIRS, 2, NOISE)),
    "hybrid": Hybrid(AntitheticES(PAIRS, 2, NOISE)),
    "implicit": Implicit(Population(4), 2),
}
QUICK = ("tbptt", "pes", "evosax")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in BUILT_IN]
)
def test_built_in_estimators_pass(name):
    check_estimator(BUILT_IN[name], PROBLEM, THETA)


class Parabola(AbstractProblem):
    """The loss is the squared distance of theta from one."""

    horizon: Length = Length(1)

    def init(self, theta, key):
        return jnp.zeros(())

    def step(self, theta, state, key):
        return state, ((theta - 1) ** 2).sum()


@pytest.mark.parametrize("theta", [jnp.zeros(()), jnp.zeros(2)])
def test_theta_may_be_a_single_array(theta):
    check_estimator_form(TruncatedBackprop(Population(2), 1), Parabola(), theta)

    def longer(self, problem, theta, state, key):
        return Estimate(jnp.zeros(3), jnp.zeros(3), jnp.zeros(()), jnp.array(True), jnp.ones(())), state

    with pytest.raises(BadInput, match=r"float arrays; its value is float32\[3\], not float32\["):
        check_estimator_form(broken(estimate=longer), Parabola(), theta)


def test_an_unbiased_one_is_told_from_a_biased_one():
    check_estimator(BUILT_IN["pes"], PROBLEM, THETA, gradient=GRADIENT)
    with pytest.raises(AssertionError, match="TruncatedBackprop is biased"):
        check_estimator(BUILT_IN["tbptt"], PROBLEM, THETA, gradient=GRADIENT)


def test_one_written_as_the_interface_says_meta_trains():
    """The example in docs/ has nothing but the five methods."""
    differences = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "own_estimator.py"))["Differences"]
    check_estimator(differences(), PROBLEM, THETA, gradient=GRADIENT)
    import optax

    learner = MetaLearner((PROBLEM,), differences(), optax.sgd(0.1))
    learner.check(THETA, jr.key(0))
    state, metrics = learner.step(learner.init(THETA, jr.key(0)), jr.key(1))
    assert set(metrics) == {"meta_loss", "gradient_norm", "signal_to_noise", "inner_steps"}
    assert metrics["inner_steps"] == 2 * 4 * 4 and metrics["gradient_norm"] > 1


class Honest(AbstractEstimator):
    """Right in all that it does; each class below breaks one thing."""

    def check(self, problem, theta, key):
        pass

    def check_devices(self, devices):
        pass

    def windows(self, problem):
        return 1

    def init(self, problem, theta, key):
        return jnp.zeros((), jnp.int32)

    def estimate(self, problem, theta, state, key):
        state_0 = problem.init(theta, jr.fold_in(key, 1))
        _, loss = problem.step(theta, state_0, jr.fold_in(key, 2))
        usable = jnp.isfinite(loss)
        pull = jnp.where(usable, jnp.ones(2) * loss, 0)
        grad = {"pull": pull, "name": None}
        return Estimate(grad, grad, loss, usable, jnp.ones(())), state + 1


def broken(**methods):
    return type("Broken", (Honest,), {**methods})()


def changed(change):
    def estimate(self, problem, theta, state, key):
        return change(*Honest.estimate(self, problem, theta, state, key))

    return estimate


COUNT = []


def stateful(self, problem, theta, state, key):
    estimate, state = Honest.estimate(self, problem, theta, state, key)
    COUNT.append(None)
    return replace(estimate, loss=estimate.loss + len(COUNT)), state


@pytest.mark.parametrize(
    "estimate, says",
    [
        (changed(lambda e, s: e), r"must return \(Estimate, state\); it returns a Estimate"),
        (changed(lambda e, s: (e.grad, s)), r"must return \(Estimate, state\); the first is a dict"),
        (changed(lambda e, s: (replace(e, grad={"pull": jnp.zeros(3), "name": None}), s)), "grad is shaped like theta"),
        (changed(lambda e, s: (replace(e, variance=None), s)), "variance is shaped like theta"),
        # By `tree_at`, since the tests' type checker would refuse it sooner than the check that users have.
        (changed(lambda e, s: (eqx.tree_at(lambda it: it.loss, e, jnp.zeros(2)), s)), "loss is a single number"),
        (changed(lambda e, s: (e, s.astype(float))), "a state shaped like the one that Broken.init returns"),
        (changed(lambda e, s: (e, 1 / 0)), "Broken.estimate must run under jax.jit; it raises ZeroDivisionError"),
    ],
)
def test_a_wrong_form_is_named_at_the_door(estimate, says):
    with pytest.raises(BadInput, match=says) as refused:
        check_estimator_form(broken(estimate=estimate), PROBLEM, THETA)
    assert str(refused.value).endswith(".")


def unmasked(self, problem, theta, state, key):
    """Means over two unrolls, in which a NaN of the second is not seen."""
    one, other = (Honest.estimate(self, problem, theta, state, each)[0] for each in jr.split(key))
    return replace(one, grad=jax.tree.map(jnp.add, one.grad, other.grad), loss=one.loss + other.loss), state + 1


def mourning(self, problem, theta, state, key):
    """Not usable ever after a loss that is not finite."""
    estimate, _ = Honest.estimate(self, problem, theta, state, key)
    state = jnp.where(estimate.usable & (state >= 0), state + 1, -1)
    return replace(estimate, usable=state >= 0), state


def test_windows_are_counted():
    with pytest.raises(BadInput, match="Broken.windows must return a whole number of 1 or more; it returns 0"):
        check_estimator_form(broken(windows=lambda self, problem: 0), PROBLEM, THETA)


@pytest.mark.parametrize(
    "estimate, says",
    [
        (changed(lambda e, s: (replace(e, usable=jnp.array(True)), s)), "usable=False where no loss is finite"),
        (stateful, "the same with and without jit"),
        (unmasked, "leave losses that are not finite out of grad and loss, or say usable=False"),
        (mourning, "usable again when losses have been finite for an unroll"),
    ],
)
def test_a_broken_promise_is_named(estimate, says):
    with pytest.raises(AssertionError, match=says):
        check_estimator(broken(estimate=estimate), PROBLEM, THETA)
