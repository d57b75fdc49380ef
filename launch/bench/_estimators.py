from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key, PRNGKeyArray, PyTree

from ...meta import AbstractProblem, Length
from ...meta.estimators import AbstractAntithetic, AntitheticES, GPES, Noise, NRES, PES, Population
from ._inner_problems import AbstractTarget, adam, Classifier, Optimisation, PerParameterNetwork, Quadratic
from ._program import matrix_product, Program
from ._row import Row, row
from ._timing import Budget, time_in_turn


_TASKS, _STEPS = 8, 20
_IN_A_PROGRAM = 20


def estimators(budget: Budget) -> list[Row]:
    """Evolution strategies compared with the bare unroll of their particles: 8 tasks x 20 steps, three problems.

    The smallest problem is also timed with 20 meta-gradients in one program, one after another at the same theta: for
    a single one JAX's dispatch takes longer than the computation.
    """
    network = PerParameterNetwork.create(jr.key(0))
    quadratic, classifier = Quadratic(), Classifier.create(jr.key(1))
    cases = {
        "quadratic-adam": (quadratic, adam(), 1),
        "quadratic-adam-together": (quadratic, adam(), _IN_A_PROGRAM),
        "mlp-adam": (classifier, adam(), 1),
        "mlp-network": (classifier, network, 1),
    }
    if budget.small:
        cases.pop("mlp-network")
    rows = []
    for name, case in cases.items():
        rows += _compared_with_bare(f"estimators/{name}", case, budget)
    return rows


def _compared_with_bare(name: str, case: tuple[AbstractTarget, PyTree, int], budget: Budget) -> list[Row]:
    target, theta, count = case
    problem = Optimisation(target=target, horizon=Length(5 * _STEPS))
    population, window, noise = Population(_TASKS), Length(_STEPS), Noise(0.01)
    family: dict[str, AbstractAntithetic] = {
        "es": AntitheticES(population, window, noise),
        "pes": PES(population, window, noise),
        "nres": NRES(population, window, noise),
        "gpes": GPES(population, window, noise),
    }
    if budget.small:
        family = {"pes": family["pes"]}
    programs = {"bare": _bare(problem, theta, count)}
    for each, estimator in family.items():
        state = estimator.init(problem, theta, jr.key(0))
        # After one estimate, so that the particles are within their unrolls, as in most meta-steps.
        _, state = jax.jit(estimator.estimate)(problem, theta, state, jr.key(1))
        programs[each] = Program(_estimates(estimator, count), problem, theta, state, jr.split(jr.key(2), count))
    peak = matrix_product(256 if budget.small else None)
    best, *found = time_in_turn([peak, *programs.values()], budget)
    bare = found[0]
    rows = []
    for (each, program), timing in zip(programs.items(), found):
        columns = row(f"{name}/{each}", program, timing, (peak, best), count, "meta-gradient")
        columns["ratio"], columns["cpu_ratio"] = timing.ratio_to(bare)
        if each != "bare":
            times = f"{columns['ratio']:.2f} times the bare unroll ({columns['cpu_ratio']:.2f} in CPU time)"
            columns["remark"] = times
        rows.append(columns)
    return rows


def _estimates(estimator: AbstractAntithetic, count: int) -> Callable[..., PyTree]:
    """Returns a function that makes `count` estimates, one after another."""

    def estimates(problem: AbstractProblem, theta: PyTree, state: PyTree, keys: Key[Array, " _"]) -> PyTree:
        def estimate_once(state: PyTree, key: PRNGKeyArray) -> tuple[PyTree, PyTree]:
            estimate, state = estimator.estimate(problem, theta, state, key)
            return state, estimate

        return estimate_once(state, keys[0]) if count == 1 else jax.lax.scan(estimate_once, state, keys)

    return estimates


def _bare(problem: AbstractProblem, theta: PyTree, count: int) -> Program:
    """Returns a program that only unrolls `count` windows of all particles, each with its own state and theta."""
    particles = 2 * _TASKS  # antithetic pairs
    keys = jr.split(jr.key(3), (particles, count, _STEPS))
    thetas = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (particles, *leaf.shape)) * jnp.ones(()), theta)
    states = jax.jit(jax.vmap(problem.init))(thetas, keys[:, 0, 0])

    def unrolled(
        problem: AbstractProblem, thetas: PyTree, states: PyTree, keys: Key[Array, "particle _ step"]
    ) -> PyTree:
        def one(theta: PyTree, state: PyTree, keys: Key[Array, " step"]) -> PyTree:
            def step(state: PyTree, key: PRNGKeyArray) -> tuple[PyTree, Array]:
                return problem.step(theta, state, key)

            state, losses = jax.lax.scan(step, state, keys)
            return state, losses.sum()

        def window(states: PyTree, keys: Key[Array, "particle step"]) -> tuple[PyTree, Array]:
            return jax.vmap(one)(thetas, states, keys)

        if count == 1:
            return window(states, keys[:, 0])
        return jax.lax.scan(window, states, keys.swapaxes(0, 1))

    return Program(unrolled, problem, thetas, states, keys)
