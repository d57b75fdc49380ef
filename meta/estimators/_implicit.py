from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ...errors import BadInput
from .._problem import AbstractProblem
from ..particles._flat import own_copy, ravel
from ..particles._mean import plain_mean
from ..particles._moments import Moments
from ..particles._particle import WindowResult
from ..particles._particles import AbstractParticles, Plan
from ..particles._population import ParticleKeys, Population
from ..particles._shaping import Unshaped
from ..particles._unroll import Truncation, unroll
from ._backprop import check_backprop, clip_by_norm
from ._differentiable import check_differentiable


@final
class Implicit(AbstractParticles):
    """The gradient at rest, from the implicit function theorem (arXiv 1909.04630; as a Neumann series: 1911.02590).

    A whole unroll is taken without a gradient. At its last state phi, with a step U and its loss l, the estimate is
    dl/dtheta + sum over k below `terms` of (dU/dtheta)' (dU/dphi)'^k dl/dphi: vector-Jacobian products at one state, so
    that memory is that of one step whatever the horizon. It is the gradient of the loss in the long run where steps
    have come to rest there, and means nothing where they have not. The metric `adjoint` tells: the norm of the series's
    last term over that of its largest. Far below one the series has ended; at one it never does. Steps on other data
    every time don't rest either, and bias the estimate (docs/estimators.md).

    Raises `BadInput` for more than one particle per task, a clip that is not above zero, or no terms.
    """

    population: Population = Population()
    terms: int = eqx.field(static=True, default=20)
    """Terms of the series: steps back from the last state."""
    fresh: bool = eqx.field(static=True, default=False)
    """Whether each term has draws of its own, such as data, instead of the same ones for all."""
    clip: float | None = 1.0
    """Largest norm of a particle's gradient; longer ones are shortened."""

    def __check_init__(self):
        check_backprop(self.population, self.clip)
        if self.terms < 1:
            raise BadInput(f"An implicit gradient needs 1 or more terms; got {self.terms}.")

    @property
    def plan(self) -> Plan:
        return Plan(self.population, None, Unshaped())

    def check_particle(self, problem: AbstractProblem, theta: PyTree, carried: PyTree, truncation: Truncation) -> None:
        check_differentiable(problem, theta, truncation.keys.begin, reverse=True)

    def start(self, problem: AbstractProblem, theta: PyTree, keys: ParticleKeys) -> PyTree:
        return problem.init(theta, keys.begin)

    def advance(
        self, problem: AbstractProblem, theta: PyTree, carried: PyTree, truncation: Truncation
    ) -> tuple[PyTree, WindowResult]:
        unrolled = unroll(problem, theta, carried, truncation)
        total, left = self._at_rest(problem, theta, unrolled.state, truncation)
        gradient, clipped = clip_by_norm(total, self.clip)
        diagnostics = {"clipped": clipped, "adjoint": left}
        return unrolled.state, WindowResult(unrolled.total, jnp.ones(()), gradient, None, diagnostics)

    def _at_rest(
        self, problem: AbstractProblem, theta: PyTree, state: PyTree, truncation: Truncation
    ) -> tuple[Float[Array, " parameter"], Float[Array, ""]]:
        """The sum of the series, and its last term's norm over its largest."""
        vector, rebuild, _ = ravel(theta)
        vector = own_copy(vector, truncation.scale)
        moving, still = eqx.partition(state, eqx.is_inexact_array)

        def step(flat: Float[Array, " parameter"], moving: PyTree, key: PRNGKeyArray) -> tuple[PyTree, Array]:
            after, loss = eqx.filter_jit(problem.step)(rebuild(flat), eqx.combine(moving, still), key)
            return eqx.filter(after, eqx.is_inexact_array), loss

        # Keys after those of the steps that were taken.
        draw = lambda index: jr.fold_in(truncation.keys.steps, truncation.maximum + index)
        (after, loss), back = jax.vjp(lambda flat, moving: step(flat, moving, draw(0)), vector, moving)
        zeros = jax.tree.map(jnp.zeros_like, after)
        direct, adjoint = back((zeros, jnp.ones_like(loss)))

        def term(carry: tuple[PyTree, Array, Array], index: Array) -> tuple[tuple[PyTree, Array, Array], Array]:
            adjoint, total, largest = carry
            pull = back
            if self.fresh:
                pull = jax.vjp(lambda flat, moving: step(flat, moving, draw(index)), vector, moving)[1]
            share, adjoint = pull((adjoint, jnp.zeros_like(loss)))
            size = jnp.linalg.norm(share)
            return (adjoint, total + share, jnp.maximum(largest, size)), size

        start = adjoint, direct, jnp.zeros((), direct.dtype)
        (_, total, largest), sizes = jax.lax.scan(term, start, jnp.arange(1, self.terms + 1))
        return total, jnp.where(largest > 0, sizes[-1] / jnp.where(largest > 0, largest, 1), 0.0)

    def contribution(self, theta: PyTree, result: WindowResult) -> Float[Array, " parameter"]:
        return result.direction

    def combine(
        self, halves: tuple[Moments, Moments]
    ) -> tuple[Float[Array, " parameter"], Float[Array, " parameter"], dict[str, Float[Array, ""]]]:
        return plain_mean(halves)
