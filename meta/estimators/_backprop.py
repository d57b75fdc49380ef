import dataclasses
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ...errors import BadInput
from .._length import as_length, Length
from .._problem import AbstractProblem
from ..particles._flat import own_copy, ravel
from ..particles._mean import plain_mean
from ..particles._moments import Moments
from ..particles._particle import WindowResult
from ..particles._particles import AbstractParticles, Plan
from ..particles._population import ParticleKeys, Population
from ..particles._shaping import Unshaped
from ..particles._unroll import Truncation, unroll
from ._differentiable import check_gradient


def clip_by_norm(
    vector: Float[Array, " parameter"], limit: float | None
) -> tuple[Float[Array, " parameter"], Float[Array, ""]]:
    """Returns the vector, scaled down to a norm of `limit` if it is longer, and whether it was, as 0 or 1."""
    if limit is None:
        return vector, jnp.zeros(())
    norm = jnp.linalg.norm(vector)
    clipped = norm > limit
    return jnp.where(clipped, limit / jnp.where(clipped, norm, 1), 1) * vector, clipped.astype(float)


class AbstractBackprop(AbstractParticles):
    """Particles that differentiate their window in reverse. Each one's gradient is clipped to a norm of `clip`."""

    population: eqx.AbstractVar[Population]
    window: eqx.AbstractVar[Length | None]
    clip: eqx.AbstractVar[float | None]

    @property
    def plan(self) -> Plan:
        return Plan(self.population, self.window, Unshaped())

    def check_particle(self, problem: AbstractProblem, theta: PyTree, carried: PyTree, truncation: Truncation) -> None:
        def gradient(scale: Float[Array, ""]) -> Float[Array, " parameter"]:
            scaled = dataclasses.replace(truncation, scale=scale)
            # Jitted, as in a meta-step, which then finds this trace.
            return eqx.filter_jit(self.advance)(problem, theta, carried, scaled)[1].direction

        check_gradient(gradient, truncation.scale)

    def start(self, problem: AbstractProblem, theta: PyTree, keys: ParticleKeys) -> PyTree:
        return problem.init(theta, keys.begin)

    def advance(
        self, problem: AbstractProblem, theta: PyTree, carried: PyTree, truncation: Truncation
    ) -> tuple[PyTree, WindowResult]:
        vector, rebuild, _ = ravel(theta)
        vector = own_copy(vector, truncation.scale)

        def objective(flat):
            unrolled = unroll(problem, rebuild(flat), carried, truncation, reverse=True)
            return truncation.scale * unrolled.total, unrolled

        gradient, unrolled = jax.grad(objective, has_aux=True)(vector)
        gradient, clipped = clip_by_norm(gradient, self.clip)
        return unrolled.state, WindowResult(unrolled.total, jnp.ones(()), gradient, None, {"clipped": clipped})

    def contribution(self, theta: PyTree, result: WindowResult) -> Float[Array, " parameter"]:
        return result.direction

    def combine(
        self, halves: tuple[Moments, Moments]
    ) -> tuple[Float[Array, " parameter"], Float[Array, " parameter"], dict[str, Float[Array, ""]]]:
        return plain_mean(halves)


@final
class TruncatedBackprop(AbstractBackprop):
    """Truncated backpropagation through time: the effect of theta within a window, without that of earlier windows.

    Biased, unless the window is the whole unroll. The intermediates of a step are computed again on the way back. So
    memory grows by one inner state and the data of the step (what the problem has marked by `keep`) for each of up to
    64 steps; in longer windows states are computed again too, and memory grows with the square root of their number.

    `clip` is the largest norm of a particle's gradient, None for no limit: one that is clipped is biased.

    Raises `BadInput` for more than one particle per task or a clip that is not above zero.
    """

    population: Population = Population()
    window: Length = eqx.field(converter=as_length, default=Length(10))
    clip: float | None = 1.0
    """Largest norm of a particle's gradient; longer ones are shortened."""

    def __check_init__(self):
        check_backprop(self.population, self.clip)


def check_backprop(population: Population, clip: float | None) -> None:
    """Raises `BadInput` for hyper-parameters that backpropagation can't have."""
    if population.per_task != 1:
        raise BadInput("Backpropagation has no noise: give it more tasks instead of more particles per task.")
    if clip is not None and clip <= 0:
        raise BadInput(f"A gradient is clipped to a norm above zero; got {clip} (None for no clipping).")
