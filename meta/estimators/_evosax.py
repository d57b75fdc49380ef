from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ...errors import BadInput
from .._devices import device_count, replicate, shared
from .._estimator import AbstractEstimator, Estimate
from .._problem import AbstractProblem
from ..particles._flat import ravel
from ..particles._population import ParticleKeys, Population
from ..particles._unroll import tree_where, Truncation, unroll


def snes(**settings: Any) -> Any:
    """evosax's SNES. (evosax is imported where it is used: that takes half a second.)"""
    from evosax.algorithms import SNES

    return SNES(**settings)


@final
class SearchState(eqx.Module):
    """An evosax algorithm's own state, and the point that its coordinates are measured from."""

    algorithm: PyTree
    origin: Float[Array, " parameter"]
    meta_step: Int[Array, ""]


@final
class EvosaxSearch(AbstractEstimator[SearchState]):
    """Any algorithm of evosax as the outer search, with its own fitness shaping: no gradient is estimated.

    The algorithm proposes `members` variants of theta, which devices share. Each is scored by its mean loss over whole
    unrolls of `tasks` tasks, the same for all, and the algorithm is given the scores. `grad` is the old mean minus the
    new
    one (for algorithms that keep a population and no mean: theta minus the best of the population), to be used with
    `optax.sgd(1.0)`; its variance is not known. `scale` is the size of one unit of the algorithm's coordinates, whose
    deviation starts at 1 by default. `algorithm` is called with `population_size` and `solution`: a class of
    `evosax.algorithms`, or one with settings, such as `functools.partial(Open_ES, optimizer=optax.adam(0.1))`.

    Raises `BadInput` for an odd or too small population, a scale that is not above zero, or an algorithm that keeps
    several means or counts windows of its own.
    """

    algorithm: Callable[..., Any] = eqx.field(static=True, default=snes)
    members: int = eqx.field(static=True, default=32)
    """Variants of theta in a meta-step, an even number."""
    tasks: int = eqx.field(static=True, default=4)
    """Tasks that all variants are scored on."""
    chunk: int | None = eqx.field(static=True, default=None)
    """Variants that a device computes at a time; all at once by default. Fewer need less memory."""
    scale: float = 0.1
    """Size of one unit of the algorithm's coordinates."""

    def __check_init__(self):
        if self.members < 2 or self.members % 2:
            raise BadInput(f"An evosax population has an even number of members, 2 or more; got {self.members}.")
        if self.tasks < 1 or (self.chunk is not None and self.chunk < 1):
            raise BadInput(f"A search needs 1 or more tasks and members at a time; got {self.tasks} and {self.chunk}.")
        if isinstance(self.scale, float | int) and not self.scale > 0:
            raise BadInput(f"A noise scale must be a number above zero; got {self.scale}.")
        if getattr(getattr(self.algorithm, "func", self.algorithm), "__name__", "") in _UNSUITED:
            raise BadInput(
                "This evosax algorithm keeps several means or counts windows of its own, so it can't be the outer "
                "search over whole unrolls; take another, or the estimators pes and nres."
            )

    def check(self, problem: AbstractProblem, theta: PyTree, key: PRNGKeyArray) -> None:
        ravel(theta)  # Raises where there is nothing to learn.
        self.check_devices(device_count())

    def check_devices(self, devices: int) -> None:
        if self.members % devices:
            raise BadInput(f"{self.members} members can't be shared evenly by {devices} devices: take a multiple.")

    def windows(self, problem: AbstractProblem) -> int:
        return 1

    def init(self, problem: AbstractProblem, theta: PyTree, key: PRNGKeyArray) -> SearchState:
        vector, _, _ = ravel(theta)
        algorithm, params = self._algorithm(vector)
        meta_step = jnp.zeros((), jnp.int32)
        # Child 0 of a key is the algorithm's, the others are the tasks'.
        member_key, algorithm_key = jr.split(jr.fold_in(key, 0))
        args = (jnp.zeros_like(vector),)
        if not _has_mean(algorithm):
            members = jr.normal(member_key, (self.members, vector.size), vector.dtype).at[0].set(0)
            fitness, _ = _mend(self._score(problem, theta, vector, members, self._keys(key, meta_step))[0])
            args = members, fitness
        state: Any = algorithm.init(algorithm_key, *args, params)
        state = jax.tree.map(lambda x: jnp.asarray(x, jnp.asarray(x).dtype), state)
        return replicate(SearchState(state, vector, meta_step))

    def estimate(
        self, problem: AbstractProblem, theta: PyTree, state: SearchState, key: PRNGKeyArray
    ) -> tuple[Estimate, SearchState]:
        vector, _, unravel = ravel(theta)
        algorithm, params = self._algorithm(vector)
        ask_key, tell_key = jr.split(jr.fold_in(key, 0))
        before: Any = state.algorithm
        by_mean = _has_mean(algorithm)
        if by_mean:
            before = before.replace(mean=((vector - state.origin) / self.scale).astype(before.mean.dtype))
        members, after = algorithm.ask(ask_key, before, params)
        raw, length = self._score(problem, theta, state.origin, members, self._keys(key, state.meta_step))
        fitness, finite = _mend(raw)
        after, _ = algorithm.tell(tell_key, members, fitness, after, params)
        after = jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), after, state.algorithm)
        kept = jax.tree.map(lambda x, old: jnp.asarray(x, old.dtype), before, after)
        after = tree_where(finite.any(), after, kept)
        new = after.mean if by_mean else after.population[jnp.argmin(after.fitness)]
        target = (state.origin + self.scale * new).astype(vector.dtype)
        grad = jnp.where(finite.any(), vector - target, 0)
        loss = jnp.where(finite, raw, 0).sum() / jnp.maximum(finite.sum(), 1)
        estimate = Estimate(
            unravel(grad),
            unravel(jnp.full_like(grad, jnp.inf)),
            jnp.where(finite.any(), loss, jnp.inf),
            finite.any(),
            self.members * length.sum(),
            {"nonfinite": 1 - finite.mean(), "best_loss": fitness.min()},
        )
        return estimate, replicate(SearchState(after, state.origin, state.meta_step + 1))

    def _algorithm(self, vector: Float[Array, " parameter"]) -> tuple[Any, Any]:
        with jax.ensure_compile_time_eval():  # it keeps arrays, which must not belong to a trace
            solution = jnp.asarray(np.zeros(vector.shape, vector.dtype))
            algorithm = self.algorithm(population_size=self.members, solution=solution)
            return algorithm, algorithm.default_params

    def _keys(self, key: PRNGKeyArray, meta_step: Int[Array, ""]) -> ParticleKeys:
        return Population(self.tasks).keys(key, meta_step)

    def _score(
        self,
        problem: AbstractProblem,
        theta: PyTree,
        origin: Float[Array, " parameter"],
        members: Float[Array, "member parameter"],
        keys: ParticleKeys,
    ) -> tuple[Float[Array, " member"], Int[Array, " task"]]:
        """Every member's mean loss over whole unrolls of the same tasks, and the lengths of the unrolls."""
        length = jax.vmap(lambda l: problem.horizon.sample(l.length, l.meta_step))(keys)
        common = self, problem, theta, origin, keys, length
        return shared(_scores, common, members), length


def _scores(common: tuple, members: Float[Array, "member parameter"]) -> Float[Array, " member"]:
    search, problem, theta, origin, keys, length = common
    _, rebuild, _ = ravel(theta)
    horizon, steps = problem.horizon, length.max()

    def score_task(theta: PyTree, keys: ParticleKeys, length: Int[Array, ""]) -> Float[Array, ""]:
        truncation = Truncation(
            keys=keys,
            is_start=jnp.ones((), bool),
            steps=steps,
            remaining=length,
            scale=1 / length,
            windows=jnp.zeros_like(length),
            maximum=horizon.maximum,
            skips=not horizon.fixed,
            masks=not horizon.fixed,
        )
        return truncation.scale * unroll(problem, theta, problem.init(theta, keys.begin), truncation).total

    def score(member: Float[Array, " parameter"]) -> Float[Array, ""]:
        variant = rebuild((origin + search.scale * member).astype(origin.dtype))
        return jax.vmap(lambda keys, length: score_task(variant, keys, length))(keys, length).mean()

    return jax.lax.map(score, members, batch_size=min(search.chunk or len(members), len(members)))


_UNSUITED = ("NoiseReuseES", "PersistentES", "SV_CMA_ES", "SV_Open_ES")


def _has_mean(algorithm: Any) -> bool:
    """Whether an evosax algorithm keeps a mean; the others keep a population."""
    from evosax.algorithms.population_based.base import PopulationBasedAlgorithm

    return not isinstance(algorithm, PopulationBasedAlgorithm)


def _mend(fitness: Float[Array, " member"]) -> tuple[Float[Array, " member"], Array]:
    """Gives members whose runs diverged the worst loss among the others."""
    finite = jnp.isfinite(fitness)
    worst = jnp.where(finite, fitness, -jnp.inf).max()
    return jnp.where(finite, fitness, jnp.where(finite.any(), worst, 0)), finite
