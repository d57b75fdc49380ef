import abc
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from .._length import Length
from .._problem import AbstractProblem
from ..particles._flat import ravel
from ..particles._mean import plain_mean
from ..particles._moments import Moments
from ..particles._particles import AbstractParticles, Plan
from ..particles._population import ParticleKeys, Population
from ..particles._run import WindowResult
from ..particles._shaping import AbstractShaping
from ..particles._unroll import tree_where, Truncation, unroll, Unrolled
from ._low_rank import LowRankProblem
from ._noise import Noise


Draw = Callable[[Int[Array, ""]], Float[Array, " parameter"]]
Before = Float[Array, " parameter"] | None


class Memory(eqx.Module):
    """What an evolution strategy knows of the noise in a particle's episode."""

    credit: Float[Array, " parameter"] | None  # credited so far, where it is not drawn again
    key: PRNGKeyArray  # of all noise in this episode
    factor: Float[Array, ""]  # the noise schedule's, when the episode began


class AntitheticPair(eqx.Module):
    """An antithetic pair of runs and the noise between them."""

    states: PyTree  # stacked: plus, minus
    memory: Memory


class Perturbation(eqx.Module):
    """The noise of one window."""

    memory: Memory  # before the window
    size: Float[Array, " parameter"]  # what is added to theta and subtracted
    applied: Float[Array, " parameter"]  # the same, of unit variance
    credited: Float[Array, " parameter"]  # what the difference of losses is credited to, of unit variance


class AbstractPersistent(AbstractParticles):
    """Antithetic pairs of whole runs: one at theta plus noise, its twin, with the same luck, at theta minus noise.

    The estimate is half the difference of their losses times the noise that a window is credited to. Estimators differ
    in which noise they apply in a window and which they credit it to, and say so in `applies` and `credits`.
    """

    population: eqx.AbstractVar[Population]
    window: eqx.AbstractVar[Length | None]
    noise: eqx.AbstractVar[Noise]
    shaping: eqx.AbstractVar[AbstractShaping]
    joined: ClassVar[bool]  # whether twins leave every window in one state

    @property
    @abc.abstractmethod
    def remembers(self) -> bool:
        """Whether the credit is stored between windows."""

    @abc.abstractmethod
    def applies(self, window: Int[Array, ""]) -> Int[Array, ""]:
        """Which of an episode's noises is applied in the window of this number."""

    @abc.abstractmethod
    def credits(
        self, applied: Float[Array, " parameter"], draw: Draw, before: Before, window: Int[Array, ""]
    ) -> Float[Array, " parameter"]:
        """The noise that a window's difference of losses is credited to.

        `draw(i)` is the episode's i-th noise, always the same; `before` is what this method returned a window ago, None
        if that is not remembered.
        """

    @property
    def plan(self) -> Plan:
        return Plan(self.population, self.window, self.shaping, runs=2)

    def check(self, problem: AbstractProblem, theta: PyTree, carried: PyTree, truncation: Truncation) -> None:
        """Any problem will do."""

    def start(self, problem: AbstractProblem, theta: PyTree, keys: ParticleKeys) -> AntitheticPair:
        states = self.on_both(lambda sign, keys, _: problem.init(theta, keys.begin), keys, None)
        return AntitheticPair(states, self.remember(theta, keys))

    def advance(
        self, problem: AbstractProblem, theta: PyTree, carried: AntitheticPair, truncation: Truncation
    ) -> tuple[AntitheticPair, WindowResult]:
        perturbation = self.perturbation(theta, carried, truncation)
        vector, rebuild, _ = ravel(theta)
        memory = perturbation.memory
        thin = self.noise.rank is not None
        # Low-rank noise is drawn once more as factors: the compiler merges the draws, and no product is formed.
        key = jr.fold_in(memory.key, self.applies(truncation.windows)) if thin else memory.key

        def side(sign, keys, state):
            if thin:
                perturbed = self.noise.thin(key, theta, sign * memory.factor)
                return unroll(LowRankProblem(problem), perturbed, state, replace(truncation, keys=keys))
            return unroll(
                problem,
                rebuild(vector + sign.astype(vector.dtype) * perturbation.size),
                state,
                replace(truncation, keys=keys),
            )

        return self.result(perturbation, self.on_both(side, truncation.keys, carried.states), truncation)

    def contribution(self, theta: PyTree, result: WindowResult) -> Float[Array, " parameter"]:
        memory, window = result.recipe
        credited = result.direction
        if credited is None:
            _, credited = self._noises(theta, memory, window)
        direction = credited / self.noise.deviation(theta, memory.factor)
        return result.signal.astype(direction.dtype) * direction

    def combine(
        self, halves: tuple[Moments, Moments]
    ) -> tuple[Float[Array, " parameter"], Float[Array, " parameter"], dict[str, Float[Array, ""]]]:
        return plain_mean(halves)

    def remember(self, theta: PyTree, keys: ParticleKeys) -> Memory:
        """What is known when an episode begins."""
        credit = jnp.zeros_like(ravel(theta)[0]) if self.remembers else None
        return Memory(credit, keys.own, self.noise.factor(keys.meta_step))

    def perturbation(self, theta: PyTree, carried: AntitheticPair, truncation: Truncation) -> Perturbation:
        """The noise of a window."""
        memory = tree_where(truncation.is_start, self.remember(theta, truncation.keys), carried.memory)
        applied, credited = self._noises(theta, memory, truncation.windows)
        return Perturbation(memory, applied * self.noise.deviation(theta, memory.factor), applied, credited)

    def on_both(self, side: Callable, keys: ParticleKeys, states: PyTree) -> PyTree:
        """Does the same to both twins: `side(sign, luck, state)`."""
        signs = jnp.array([1.0, -1.0])
        if self.noise.common:
            return jax.vmap(side, in_axes=(0, None, 0))(signs, keys, states)
        apart = replace(keys, begin=jr.fold_in(keys.begin, 1), steps=jr.fold_in(keys.steps, 1))
        return jax.vmap(side)(signs, jax.tree.map(lambda *keys: jnp.stack(keys), keys, apart), states)

    def result(
        self, perturbation: Perturbation, unrolled: Unrolled, truncation: Truncation
    ) -> tuple[AntitheticPair, WindowResult]:
        """What twins carry on after a window, and what it told them."""
        states = unrolled.state
        if self.joined:
            states = jax.tree.map(lambda x: jnp.stack([x[0], x[0]]), states)
        before, credited = perturbation.memory, perturbation.credited
        memory = replace(before, credit=credited if self.remembers else None)
        difference = truncation.scale * (unrolled.total[0] - unrolled.total[1]) / 2
        result = WindowResult(unrolled.total.mean(), difference, credited, (before, truncation.windows), {})
        return AntitheticPair(states, memory), result

    def _noises(
        self, theta: PyTree, memory: Memory, window: Int[Array, ""]
    ) -> tuple[Float[Array, " parameter"], Float[Array, " parameter"]]:
        draw = lambda index: self.noise.draw(jr.fold_in(memory.key, index), theta)
        applied = draw(self.applies(window))
        return applied, self.credits(applied, draw, memory.credit, window)
