from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._length import as_length, Length
from .._problem import AbstractProblem
from ..particles._flat import ravel
from ..particles._mean import plain_mean
from ..particles._moments import Moments
from ..particles._particle import WindowResult
from ..particles._particles import AbstractParticles, Plan
from ..particles._population import ParticleKeys, Population
from ..particles._shaping import Unshaped
from ..particles._unroll import tree_where, Truncation, unroll
from ._differentiable import check_differentiable
from ._noise import Noise


class Tangent(eqx.Module):
    """An inner state and its derivative along a direction."""

    state: PyTree
    change: PyTree  # The derivative; None where the state holds no floating-point numbers.
    credit: Float[Array, " parameter"] | None  # The sum of the unroll's directions so far, if there are several.
    key: PRNGKeyArray  # Parent of the keys of the unroll's directions.


@final
class ForwardMode(AbstractParticles):
    """Forward-mode differentiation along random directions, carried on through the whole unroll (arXiv 2202.08587).

    Unbiased for the exact gradient, without smoothing; memory is that of one inner step. With `reuse` an unroll has one
    direction. Without, each window has a new one, and its slope is credited to the sum of all so far, as PES does with
    noise.
    """

    population: Population = Population(per_task=8)
    window: Length = eqx.field(converter=as_length, default=Length(10))
    reuse: bool = eqx.field(static=True, default=True)
    """Whether an unroll has one direction, instead of a new one in every window."""

    @property
    def plan(self) -> Plan:
        return Plan(self.population, self.window, Unshaped())

    def check_particle(self, problem: AbstractProblem, theta: PyTree, carried: PyTree, truncation: Truncation) -> None:
        check_differentiable(problem, theta, truncation.keys.begin, reverse=False)

    def start(self, problem: AbstractProblem, theta: PyTree, keys: ParticleKeys) -> Tangent:
        state = problem.init(theta, keys.begin)
        credit = None if self.reuse else jnp.zeros_like(ravel(theta)[0])
        return Tangent(state, eqx.filter(state, eqx.is_inexact_array), credit, keys.own)

    def advance(
        self, problem: AbstractProblem, theta: PyTree, carried: Tangent, truncation: Truncation
    ) -> tuple[Tangent, WindowResult]:
        vector, rebuild, _ = ravel(theta)
        moving, still = eqx.partition(carried.state, eqx.is_inexact_array)
        key = tree_where(truncation.is_start, truncation.keys.own, carried.key)
        direction = Noise().draw(jr.fold_in(key, 0 if self.reuse else truncation.windows), theta)
        credit = direction
        if carried.credit is not None:
            credit += jnp.where(truncation.is_start, 0, carried.credit)

        def take(flat, moving):
            unrolled = unroll(problem, rebuild(flat), eqx.combine(moving, still), truncation)
            return (unrolled.total, eqx.filter(unrolled.state, eqx.is_inexact_array)), unrolled

        _, (slope, change), unrolled = jax.jvp(take, (vector, moving), (direction, carried.change), has_aux=True)
        after = Tangent(unrolled.state, change, None if self.reuse else credit, key)
        return after, WindowResult(unrolled.total, truncation.scale * slope, credit, None, {})

    def contribution(self, theta: PyTree, result: WindowResult) -> Float[Array, " parameter"]:
        return result.signal.astype(result.direction.dtype) * result.direction

    def combine(
        self, halves: tuple[Moments, Moments]
    ) -> tuple[Float[Array, " parameter"], Float[Array, " parameter"], dict[str, Float[Array, ""]]]:
        return plain_mean(halves)
