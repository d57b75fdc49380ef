from dataclasses import replace
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ...errors import BadInput
from .._problem import AbstractProblem
from ..particles._flat import ravel
from ..particles._moments import Moments
from ..particles._particle import WindowResult
from ..particles._particles import AbstractParticles, Plan
from ..particles._population import ParticleKeys
from ..particles._shaping import Unshaped
from ..particles._unroll import Truncation, unroll
from ._antithetic import AbstractAntithetic, AntitheticPair
from ._backprop import clip_by_norm
from ._differentiable import check_differentiable
from ._evolution import AntitheticES


_FLOOR = 1e-8
"""Added to variances before they are divided: that of a parameter without effect is zero."""


@final
class Hybrid(AbstractParticles):
    """Backpropagation and an evolution strategy, combined for every parameter by inverse variance (arXiv 1810.10180).

    Both use the same perturbed unrolls. The mean of the gradients of an antithetic pair is the reparameterised gradient
    of the smoothed loss; the difference of the pair's losses gives the evolution strategy's. Where inner loops are
    chaotic the first has a huge variance and the second takes over.

    With an `AntitheticES` as `evolution` this is the published form. Its weights are estimated on the samples that they
    weigh, which adds a small bias. With `independent` the weights of even groups are estimated on odd groups and vice
    versa: then the estimate is biased only if one of the two parts is. If the gradient of any particle is not finite,
    backpropagation has no weight. `clip` is the largest norm of a particle's reparameterised gradient (None: no limit).

    Raises `BadInput` if there are too few particles to estimate a variance, or the evolution strategy's losses are
    shaped.
    """

    evolution: AbstractAntithetic = AntitheticES()
    independent: bool = eqx.field(static=True, default=False)
    """Whether the weights of half of the tasks are estimated on the other half."""
    clip: float | None = None
    """Largest norm of a particle's gradient; longer ones are shortened, where it is given."""

    def __check_init__(self):
        groups, _ = self.plan.population.grid
        if groups < (4 if self.independent else 2):
            raise BadInput(
                f"A hybrid weighs by variance: it needs 2 tasks or more (4 with independent weights); got {groups}."
            )
        if not isinstance(self.plan.shaping, Unshaped):
            raise BadInput("A hybrid can't use shaped differences of loss: their size is not that of a gradient.")

    @property
    def plan(self) -> Plan:
        return self.evolution.plan

    def check_particle(self, problem: AbstractProblem, theta: PyTree, carried: PyTree, truncation: Truncation) -> None:
        check_differentiable(problem, theta, truncation.keys.begin, reverse=True)

    def start(self, problem: AbstractProblem, theta: PyTree, keys: ParticleKeys) -> AntitheticPair:
        return self.evolution.start(problem, theta, keys)

    def advance(
        self, problem: AbstractProblem, theta: PyTree, carried: AntitheticPair, truncation: Truncation
    ) -> tuple[AntitheticPair, WindowResult]:
        vector, rebuild, _ = ravel(theta)
        perturbation = self.evolution.perturbation(theta, carried, truncation)

        def side(sign, keys, state):
            def objective(flat):
                perturbed = rebuild(flat + sign.astype(vector.dtype) * perturbation.size)
                unrolled = unroll(problem, perturbed, state, replace(truncation, keys=keys), reverse=True)
                return truncation.scale * unrolled.total, unrolled

            return jax.grad(objective, has_aux=True)(vector)

        gradients, unrolled = self.evolution.on_both(side, truncation.keys, carried.states)
        gradient = gradients.mean(0)
        exploded = ~jnp.isfinite(gradient).all()
        gradient, clipped = clip_by_norm(jnp.where(exploded, 0, gradient), self.clip)
        carried, result = self.evolution.result(perturbation, unrolled, truncation)
        direction = result.direction, gradient, exploded.astype(gradient.dtype)[None]
        return carried, replace(result, direction=direction, diagnostics={"clipped": clipped})

    def contribution(self, theta: PyTree, result: WindowResult) -> dict[str, Float[Array, " _"]]:
        credited, gradient, exploded = result.direction
        evolution = self.evolution.contribution(theta, replace(result, direction=credited))
        return {"backprop": gradient, "evolution": evolution, "both": gradient + evolution, "exploded": exploded}

    def combine(
        self, halves: tuple[Moments, Moments]
    ) -> tuple[Float[Array, " parameter"], Float[Array, " parameter"], dict[str, Float[Array, ""]]]:
        together = halves[0].merge(halves[1])
        calm = together.mean["exploded"] == 0
        if self.independent:
            weights = [jnp.where(calm, _weight(half), 0) for half in reversed(halves)]
            shares = [half.count / jnp.maximum(together.count, 1) for half in halves]
            parts = [_combine(half, weight) for half, weight in zip(halves, weights)]
            gradient = sum((share * part[0] for share, part in zip(shares, parts)), 0.0)
            variance = sum((jnp.where(share > 0, share**2 * part[1], 0) for share, part in zip(shares, parts)), 0.0)
            weight = (weights[0] + weights[1]) / 2
        else:
            weight = jnp.where(calm, _weight(together), 0)
            gradient, variance = _combine(together, weight)
        diagnostics = {
            "backprop_weight": weight.mean(),
            "evolution_weight": 1 - weight.mean(),
            "exploded": together.mean["exploded"][0],
        }
        return jnp.asarray(gradient), jnp.asarray(variance), diagnostics


def _weight(moments: Moments) -> Float[Array, " parameter"]:
    """Returns the weight of backpropagation, by inverse variance; a half where there are too few samples to tell."""
    variance = moments.variance
    backprop, evolution = variance["backprop"] + _FLOOR, variance["evolution"] + _FLOOR
    return jnp.where(jnp.isfinite(backprop + evolution), evolution / (backprop + evolution), 0.5)


def _combine(
    moments: Moments, weight: Float[Array, " parameter"]
) -> tuple[Float[Array, " parameter"], Float[Array, " parameter"]]:
    """Returns the weighted mean of both estimates, and its variance for given weights."""
    mean, variance = moments.mean, moments.variance_of_mean
    gradient = weight * mean["backprop"] + (1 - weight) * mean["evolution"]
    a, b = variance["backprop"], variance["evolution"]
    covariance = (variance["both"] - a - b) / 2  # From the variance of the sum.
    total = weight**2 * a + (1 - weight) ** 2 * b + 2 * weight * (1 - weight) * covariance
    return gradient, jnp.where(moments.count > 1, jnp.maximum(total, 0), jnp.inf)
