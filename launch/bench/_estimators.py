import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key, PRNGKeyArray, PyTree

from ...meta import AbstractProblem, Length
from ...meta.estimators import AbstractPersistent, AntitheticES, GPES, Noise, NRES, PES, Population
from ._inner_problems import adam, Classifier, Optimisation, PerParameterNetwork, Quadratic
from ._program import matrix_product, Program
from ._row import Row, row
from ._sample import Budget, sample


_TASKS, _STEPS = 8, 20


def estimators(budget: Budget) -> list[Row]:
    """Evolution strategies beside the bare unroll of the same particles, 8 tasks x 20 steps, on three problems."""
    network = PerParameterNetwork.create(jr.key(0))
    quadratic, classifier = Quadratic(), Classifier.create(jr.key(1))
    cases = {
        "quadratic-adam": (quadratic, adam()),
        "mlp-adam": (classifier, adam()),
        "mlp-network": (classifier, network),
    }
    if budget.small:
        cases.pop("mlp-network")
    rows = []
    for name, (target, theta) in cases.items():
        problem = Optimisation(target=target, horizon=Length(5 * _STEPS))
        rows += _beside_bare(f"estimators/{name}", problem, theta, budget)
    return rows


def _beside_bare(name: str, problem: AbstractProblem, theta: PyTree, budget: Budget) -> list[Row]:
    population, window, noise = Population(_TASKS), Length(_STEPS), Noise(0.01)
    family: dict[str, AbstractPersistent] = {
        "es": AntitheticES(population, window, noise),
        "pes": PES(population, window, noise),
        "nres": NRES(population, window, noise),
        "gpes": GPES(population, window, noise),
    }
    if budget.small:
        family = {"pes": family["pes"]}
    programs = {"bare": _bare(problem, theta)}
    for each, estimator in family.items():
        state = estimator.init(problem, theta, jr.key(0))
        _, state = jax.jit(estimator.estimate)(problem, theta, state, jr.key(1))
        programs[each] = Program(estimator.estimate, problem, theta, state, jr.key(2))
    peak = matrix_product(256 if budget.small else None)
    best, *found = sample([peak, *programs.values()], budget)
    bare = found[0]
    rows = []
    for (each, program), mine in zip(programs.items(), found):
        made = row(f"{name}/{each}", program, mine, (peak, best), each="meta-gradient")
        made["ratio"], made["cpu_ratio"] = mine.beside(bare)
        if each != "bare":
            made["remark"] = f"{made['ratio']:.2f} times the bare unroll ({made['cpu_ratio']:.2f} in processor time)"
        rows.append(made)
    return rows


def _bare(problem: AbstractProblem, theta: PyTree) -> Program:
    """All twins' steps, each from a state and by a theta of its own, and nothing beside."""
    count = 2 * _TASKS
    keys = jr.split(jr.key(3), (count, _STEPS))
    thetas = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)) * jnp.ones(()), theta)
    states = jax.jit(jax.vmap(problem.init))(thetas, keys[:, 0])

    def unrolled(problem: AbstractProblem, thetas: PyTree, states: PyTree, keys: Key[Array, "run step"]) -> PyTree:
        def one(theta: PyTree, state: PyTree, keys: Key[Array, " step"]) -> PyTree:
            def step(state: PyTree, key: PRNGKeyArray) -> tuple[PyTree, Array]:
                return problem.step(theta, state, key)

            state, losses = jax.lax.scan(step, state, keys)
            return state, losses.sum()

        return jax.vmap(one)(thetas, states, keys)

    return Program(unrolled, problem, thetas, states, keys)
