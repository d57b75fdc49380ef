import dataclasses
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, PRNGKeyArray, PyTree

from ...meta import InnerLoop, Length, MetaLearner, MetaState, recomputed, replicate_to_mesh, shared
from ...meta.estimators import own_copy, TruncatedBackprop
from ..hosts._devices import Devices
from ..hosts._distributed import DistributedOptions
from ..options._estimators import ESTIMATORS, with_estimator
from ..options._presets import PRESETS
from ..options._problems import problems_of
from ..options._training import Training
from ..training._experiment import optimiser_of
from ._program import matrix_product, Program
from ._row import measure, plain, Row, row, Workload
from ._timing import Budget, time_in_turn


_DEVICES = Devices(distribution=DistributedOptions())
"""All devices that divide the work evenly, as `metarule train` uses them."""


def quick_step(name: str) -> Workload:
    """Returns the workload that times a meta-step of the preset quick with the estimator of this name."""

    def workload(budget: Budget) -> list[Row]:
        training = with_estimator(quick(budget), name)
        with _DEVICES.sharing(training.estimator):
            learner, state, key = _learning(training)
            count = float(learner.step(state, key)[1]["inner_steps"])
            program = Program(lambda learner, state, key: learner.step(state, key), learner, state, key)
        columns = measure(f"quick-{name}", program, budget, each="meta-step")
        columns["inner_steps"] = count
        columns["remark"] = f"{1e3 * columns['cpu_seconds'] / count:.2f} CPU-ms for each of {count:,.0f} inner steps"
        return [columns]

    workload.__doc__ = f"A meta-step of `metarule train --preset quick` with the estimator {name}."
    return workload


QUICK_STEPS = {f"quick-{name}": quick_step(name) for name in ESTIMATORS}


def outer_overhead(budget: Budget) -> list[Row]:
    """The share of a meta-step of quick that is spent outside of the gradient of the unrolled inner loops."""
    training = quick(budget)
    product = matrix_product()
    with _DEVICES.sharing(training.estimator):
        learner, state, key = _learning(training)
        (problem,), (estimated,) = learner.problems, state.estimators
        assert isinstance(training.estimator, TruncatedBackprop)
        keys = jr.split(jr.key(3), (training.estimator.population.count, training.estimator.window.maximum))
        bare = Program(_bare_gradients, problem, state.theta, estimated.runs.carried, replicate_to_mesh(keys))
        compiled = Program(lambda learner, state, key: learner.step(state, key), learner, state, key)
        carried = [state]

        def whole() -> None:  # As in `metarule train`: it also fetches all metrics from the device, for the log.
            new, metrics = learner.step(carried[0], key)
            carried[0] = new
            for value in metrics.values():
                float(value)

        start = time.perf_counter()
        whole()
        seconds = time.perf_counter() - start
        inner, outer, best, step = time_in_turn([bare, whole, product, compiled], budget)
    share, cpu_share = (1 - ratio for ratio in inner.ratio_to(outer))
    remark = f"{100 * share:.1f}% of the time, {100 * cpu_share:.1f}% of CPU time are outside of the unroll"
    return [
        row("outer-overhead/unroll", bare, inner, (product, best), each="meta-step"),
        row("outer-overhead/compiled-step", compiled, step, (product, best), each="meta-step"),
        plain(
            "outer-overhead", outer, each="meta-step", compile_seconds=seconds,
            overhead=share, cpu_overhead=cpu_share, remark=remark,
        ),
    ]  # fmt: skip


def quick(budget: Budget) -> Training:
    """Returns the preset quick, with tiny sizes if the budget is small."""
    training = PRESETS["quick"]
    if not budget.small:
        return training
    sizes = {"tasks_per_step": 2, "window": Length(2)}
    small = with_estimator(dataclasses.replace(training, **sizes), "tbptt")
    return dataclasses.replace(small, horizon=Length(4), networks=("6-4",), batch_sizes=(6,))


def _learning(training: Training) -> tuple[MetaLearner, MetaState, PRNGKeyArray]:
    """Returns a meta-learner, its state after one step, so that its particles are within their unrolls, and its key."""
    problems, _ = problems_of(training, None)
    learner = MetaLearner(problems, training.estimator, optimiser_of(training), training.averaging)
    theta = training.rule.build(jr.key(0))
    learner, theta, init_key, key = replicate_to_mesh((learner, theta, jr.key(1), jr.key(2)))
    state, _ = learner.step(eqx.filter_jit(learner.init)(theta, init_key), key)
    return learner, jax.block_until_ready(state), key


def _bare_gradients(problem: InnerLoop, theta: PyTree, carried: PyTree, keys: Key[Array, "particle step"]) -> PyTree:
    """Returns every particle's gradient of its summed losses: the part of a meta-step that can't be avoided."""

    def one(
        common: tuple[InnerLoop, PyTree], carried: PyTree, keys: Key[Array, " step"], mark: Float[Array, ""]
    ) -> PyTree:
        problem, theta = common
        learned, fixed = eqx.partition(theta, eqx.is_inexact_array)
        learned = jax.tree.map(lambda leaf: own_copy(leaf, mark), learned)

        def total(learned: PyTree) -> tuple[Array, PyTree]:
            def step(state: PyTree, key: PRNGKeyArray) -> tuple[PyTree, Array]:
                return problem.step(eqx.combine(learned, fixed), state, key)

            state, losses = jax.lax.scan(recomputed(step), carried, keys)
            return losses.sum(), state

        return jax.grad(total, has_aux=True)(learned)

    def every(common: tuple[InnerLoop, PyTree], particles: tuple[PyTree, ...]) -> PyTree:
        return jax.vmap(lambda *particle: one(common, *particle))(*particles)

    return shared(every, (problem, theta), (carried, keys, jnp.ones(len(keys))))
