from dataclasses import replace
from typing import final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._problem import AbstractProblem
from ..particles._flat import ravel
from ..particles._mean import plain_mean
from ..particles._moments import Moments
from ..particles._particle import WindowResult
from ..particles._particles import AbstractParticles, Plan
from ..particles._population import ParticleKeys
from ..particles._shaping import Unshaped
from ..particles._unroll import Truncation, unroll
from ._antithetic import AntitheticPair
from ._differentiable import check_differentiable
from ._evolution import PES


@final
class PESAnalytic(AbstractParticles):
    """PES with the analytic gradient of the current window as control variate (arXiv 2112.13835).

    A third unroll, without noise, is differentiated within the window; noise estimates only what that gradient does not
    explain. Unbiased where the loss is quadratic in theta. Elsewhere the bias is of the order of the squared noise
    scale, because the analytic part is not smoothed. `pes.shaping` is not used.
    """

    pes: PES = PES()

    @property
    def plan(self) -> Plan:
        return Plan(self.pes.population, self.pes.window, Unshaped(), unrolls_per_particle=3)

    def check_particle(self, problem: AbstractProblem, theta: PyTree, carried: PyTree, truncation: Truncation) -> None:
        check_differentiable(problem, theta, truncation.keys.begin, reverse=True)

    def start(self, problem: AbstractProblem, theta: PyTree, keys: ParticleKeys) -> tuple[AntitheticPair, PyTree]:
        return self.pes.start(problem, theta, keys), problem.init(theta, self.pes.member_keys(keys, 0).begin)

    def advance(
        self, problem: AbstractProblem, theta: PyTree, carried: tuple[AntitheticPair, PyTree], truncation: Truncation
    ) -> tuple[tuple[AntitheticPair, PyTree], WindowResult]:
        pair, state = carried
        vector, rebuild, _ = ravel(theta)
        perturbation = self.pes.perturbation(theta, pair, truncation)

        # The third unroll sees the data of the first: the more alike they are, the better it controls.
        centre = replace(truncation, keys=self.pes.member_keys(truncation.keys, 0))

        def objective(flat):
            unrolled = unroll(problem, rebuild(flat), state, centre, reverse=True)
            return truncation.scale * unrolled.total, unrolled

        def side(sign, keys, state):
            return unroll(
                problem,
                rebuild(vector + sign.astype(vector.dtype) * perturbation.size),
                state,
                replace(truncation, keys=keys),
            )

        gradient, unrolled = jax.grad(objective, has_aux=True)(vector)
        pair = self.pes.on_both(side, truncation.keys, pair.states)
        pair, result = self.pes.result(perturbation, pair, truncation)
        result = replace(
            result,
            loss=unrolled.total,
            signal=result.signal - jnp.vdot(perturbation.size, gradient, precision="highest"),
            direction=(perturbation.credited - perturbation.applied, gradient),
        )
        return (pair, unrolled.state), result

    def contribution(self, theta: PyTree, result: WindowResult) -> Float[Array, " parameter"]:
        earlier, gradient = result.direction
        return gradient + self.pes.contribution(theta, replace(result, direction=earlier))

    def combine(
        self, halves: tuple[Moments, Moments]
    ) -> tuple[Float[Array, " parameter"], Float[Array, " parameter"], dict[str, Float[Array, ""]]]:
        return plain_mean(halves)
