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
from ..particles._particle import WindowResult
from ..particles._particles import AbstractParticles, Plan
from ..particles._population import ParticleKeys, Population
from ..particles._shaping import AbstractShaping
from ..particles._unroll import tree_where, Truncation, unroll, Unrolled
from ._noise import Noise


Draw = Callable[[Int[Array, ""]], Float[Array, " parameter"]]
"""Draws the noise of this number of an unroll, always the same one."""

Credit = Float[Array, " parameter"] | None
"""The noise that a window's loss difference is credited to, from one window to the next; None if it is not stored."""


class NoiseMemory(eqx.Module):
    """What a particle stores of the noise of its unroll."""

    credit: Credit
    key: PRNGKeyArray  # Parent of the keys of the unroll's noises.
    factor: Float[Array, ""]  # Of the noise schedule, when the unroll began.


class AntitheticPair(eqx.Module):
    """What a particle carries: the inner states of an antithetic pair of unrolls, and their noise.

    `states` are stacked: the first at theta plus noise, the second at theta minus noise.
    """

    states: PyTree
    memory: NoiseMemory


class Perturbation(eqx.Module):
    """The noise of one window."""

    memory: NoiseMemory  # Before the window.
    size: Float[Array, " parameter"]  # What is added to theta and subtracted.
    applied: Float[Array, " parameter"]  # The same, of unit variance.
    credited: Float[Array, " parameter"]  # What the loss difference is credited to; a sum of noises of unit variance.


class AbstractAntithetic(AbstractParticles):
    """Evolution strategies with antithetic pairs: one unroll at theta plus noise, one at theta minus noise.

    The estimate is half the difference of their losses, times the noise that a window is credited to over its variance.
    An unroll's noises are numbered. Variants differ in which noise they apply in a window and which they credit it to:
    an own variant defines `remembers`, `applies` and `credits`, and has the fields below.
    """

    population: eqx.AbstractVar[Population]
    window: eqx.AbstractVar[Length | None]
    noise: eqx.AbstractVar[Noise]
    shaping: eqx.AbstractVar[AbstractShaping]
    joined: ClassVar[bool]  # Whether both unrolls go on from the state of the first after every window.

    @property
    @abc.abstractmethod
    def remembers(self) -> bool:
        """Whether `credits` gets what it returned for the window before."""

    @abc.abstractmethod
    def applies(self, window: Int[Array, ""]) -> Int[Array, ""]:
        """Returns the number of the noise that is applied in the window of this number."""

    @abc.abstractmethod
    def credits(
        self, applied: Float[Array, " parameter"], draw: Draw, before: Credit, window: Int[Array, ""]
    ) -> Float[Array, " parameter"]:
        """Returns the noise that the loss difference of the window of this number is credited to.

        `applied` is the noise of the window. `draw(i)` is noise number i of the unroll, always the same. `before` is
        what this method returned a window ago, zeros in the first window; None if it is not remembered.
        """

    @property
    def plan(self) -> Plan:
        return Plan(self.population, self.window, self.shaping, unrolls_per_particle=2)

    def check_particle(self, problem: AbstractProblem, theta: PyTree, carried: PyTree, truncation: Truncation) -> None:
        """Accepts every problem: only losses are needed."""

    def start(self, problem: AbstractProblem, theta: PyTree, keys: ParticleKeys) -> AntitheticPair:
        states = self.on_both(lambda sign, keys, _: problem.init(theta, keys.begin), keys, None)
        return AntitheticPair(states, self.remember(theta, keys))

    def advance(
        self, problem: AbstractProblem, theta: PyTree, carried: AntitheticPair, truncation: Truncation
    ) -> tuple[AntitheticPair, WindowResult]:
        perturbation = self.perturbation(theta, carried, truncation)
        vector, rebuild, _ = ravel(theta)

        def side(sign, keys, state):
            perturbed = rebuild(vector + sign.astype(vector.dtype) * perturbation.size)
            return unroll(problem, perturbed, state, replace(truncation, keys=keys))

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

    def remember(self, theta: PyTree, keys: ParticleKeys) -> NoiseMemory:
        """Returns what is stored when an unroll begins."""
        credit = jnp.zeros_like(ravel(theta)[0]) if self.remembers else None
        return NoiseMemory(credit, keys.own, self.noise.factor(keys.meta_step))

    def perturbation(self, theta: PyTree, carried: AntitheticPair, truncation: Truncation) -> Perturbation:
        """Returns the noise of a window."""
        memory = tree_where(truncation.is_start, self.remember(theta, truncation.keys), carried.memory)
        applied, credited = self._noises(theta, memory, truncation.windows)
        return Perturbation(memory, applied * self.noise.deviation(theta, memory.factor), applied, credited)

    def on_both(self, side: Callable, keys: ParticleKeys, states: PyTree) -> PyTree:
        """Returns `side(sign, keys, state)` for both unrolls of a pair, stacked."""
        signs = jnp.array([1.0, -1.0])
        if self.noise.common:
            return jax.vmap(side, in_axes=(0, None, 0))(signs, keys, states)
        return jax.vmap(side)(signs, jax.vmap(keys.of_member)(jnp.arange(2)), states)

    def member_keys(self, keys: ParticleKeys, member: int) -> ParticleKeys:
        """Returns the keys of the first or the second unroll of a pair."""
        return keys if self.noise.common else keys.of_member(member)

    def result(
        self, perturbation: Perturbation, unrolled: Unrolled, truncation: Truncation
    ) -> tuple[AntitheticPair, WindowResult]:
        """Returns what a pair carries on after a window, and the result."""
        states = unrolled.state
        if self.joined:
            states = jax.tree.map(lambda x: jnp.stack([x[0], x[0]]), states)
        before, credited = perturbation.memory, perturbation.credited
        memory = replace(before, credit=credited if self.remembers else None)
        difference = truncation.scale * (unrolled.total[0] - unrolled.total[1]) / 2
        result = WindowResult(unrolled.total.mean(), difference, credited, (before, truncation.windows), {})
        return AntitheticPair(states, memory), result

    def _noises(
        self, theta: PyTree, memory: NoiseMemory, window: Int[Array, ""]
    ) -> tuple[Float[Array, " parameter"], Float[Array, " parameter"]]:
        draw = lambda index: self.noise.draw(jr.fold_in(memory.key, index), theta)
        applied = draw(self.applies(window))
        return applied, self.credits(applied, draw, memory.credit, window)
