from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._length import as_length, Length
from .._problem import AbstractProblem
from ._differentiable import check_differentiable
from ._flat import ravel
from ._mean import plain_mean
from ._moments import Moments
from ._noise import Noise
from ._particles import AbstractParticles, Plan
from ._population import Luck, Population
from ._run import Outcome
from ._shaping import Unshaped
from ._unroll import Stretch, unroll


@final
class Tangent(eqx.Module):
    """A run and how it changes along a direction."""

    state: PyTree
    change: PyTree
    credit: Float[Array, " parameter"] | None
    key: PRNGKeyArray


@final
class ForwardMode(AbstractParticles):
    """Forward-mode differentiation along random directions, carried through the whole episode (arXiv 2202.08587).

    Unbiased for the exact gradient, without smoothing; memory is that of one inner step. With `reuse`, one direction
    for an episode; without, a fresh one in every window, credited together with all before, as PES does with noise.
    """

    population: Population = Population(per_task=8)
    window: Length = eqx.field(converter=as_length, default=Length(10))
    reuse: bool = eqx.field(static=True, default=True)

    @property
    def plan(self) -> Plan:
        return Plan(self.population, self.window, Unshaped())

    def check(self, problem: AbstractProblem, theta: PyTree, key: PRNGKeyArray) -> None:
        check_differentiable(problem, theta, key, reverse=False)

    def start(self, problem: AbstractProblem, theta: PyTree, luck: Luck) -> Tangent:
        vector, rebuild, _ = ravel(theta)
        key = jr.fold_in(luck.shared, 0)

        def begin(flat):
            state = problem.init(rebuild(flat), key)
            return eqx.filter(state, eqx.is_inexact_array), state

        direction = _direction(theta, luck.own, 0)
        _, change, state = jax.jvp(begin, (vector,), (direction,), has_aux=True)
        return Tangent(state, change, None if self.reuse else jnp.zeros_like(vector), luck.own)

    def advance(
        self, problem: AbstractProblem, theta: PyTree, carried: Tangent, stretch: Stretch
    ) -> tuple[Tangent, Outcome]:
        vector, rebuild, _ = ravel(theta)
        moving, still = eqx.partition(carried.state, eqx.is_inexact_array)
        direction = _direction(theta, carried.key, 0 if self.reuse else stretch.windows)
        credit = direction if carried.credit is None else carried.credit + direction

        def take(flat, moving):
            unrolled = unroll(problem, rebuild(flat), eqx.combine(moving, still), stretch)
            return (unrolled.total, eqx.filter(unrolled.state, eqx.is_inexact_array)), unrolled

        _, (slope, change), unrolled = jax.jvp(take, (vector, moving), (direction, carried.change), has_aux=True)
        after = Tangent(unrolled.state, change, None if self.reuse else credit, carried.key)
        recipe = Tangent(None, None, carried.credit, carried.key), stretch.windows
        return after, Outcome(unrolled.total, stretch.scale * slope, recipe, {})

    def contribution(self, theta: PyTree, outcome: Outcome) -> Float[Array, " parameter"]:
        before, window = outcome.recipe
        if before.credit is None:
            return outcome.signal * _direction(theta, before.key, 0)
        return outcome.signal * (before.credit + _direction(theta, before.key, window))

    def combine(
        self, halves: tuple[Moments, Moments]
    ) -> tuple[Float[Array, " parameter"], Float[Array, " parameter"], dict[str, Float[Array, ""]]]:
        return plain_mean(halves)


def _direction(theta: PyTree, key: PRNGKeyArray, index: Array | int) -> Float[Array, " parameter"]:
    return Noise().draw(jr.fold_in(key, index), theta)
