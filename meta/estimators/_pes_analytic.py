from dataclasses import replace
from typing import final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._problem import AbstractProblem
from ..particles._flat import ravel
from ..particles._mean import plain_mean
from ..particles._moments import Moments
from ..particles._particles import AbstractParticles, Plan
from ..particles._population import Luck
from ..particles._run import Outcome
from ..particles._shaping import Unshaped
from ..particles._unroll import Stretch, unroll
from ._differentiable import check_differentiable
from ._evolution import PES
from ._persistent import Twins


@final
class PESAnalytic(AbstractParticles):
    """PES with the analytic gradient of its own window as control variate (arXiv 2112.13835).

    A third run without noise is differentiated within the window; what that gradient explains is not left to noise.
    Unbiased where the loss is quadratic in theta; else an error of the order of the squared noise scale, because the
    analytic part is not smoothed. `pes.shaping` is not used.
    """

    pes: PES = PES()

    @property
    def plan(self) -> Plan:
        return Plan(self.pes.population, self.pes.window, Unshaped(), runs=3)

    def check(self, problem: AbstractProblem, theta: PyTree, carried: PyTree, stretch: Stretch) -> None:
        check_differentiable(problem, theta, stretch.luck.begin, reverse=True)

    def start(self, problem: AbstractProblem, theta: PyTree, luck: Luck) -> tuple[Twins, PyTree]:
        return self.pes.start(problem, theta, luck), problem.init(theta, luck.begin)

    def advance(
        self, problem: AbstractProblem, theta: PyTree, carried: tuple[Twins, PyTree], stretch: Stretch
    ) -> tuple[tuple[Twins, PyTree], Outcome]:
        twins, state = carried
        vector, rebuild, _ = ravel(theta)
        perturbation = self.pes.perturbation(theta, twins, stretch)

        def objective(flat):
            unrolled = unroll(problem, rebuild(flat), state, stretch, reverse=True)
            return stretch.scale * unrolled.total, unrolled

        def side(sign, luck, state):
            return unroll(
                problem,
                rebuild(vector + sign.astype(vector.dtype) * perturbation.size),
                state,
                replace(stretch, luck=luck),
            )

        gradient, unrolled = jax.grad(objective, has_aux=True)(vector)
        pair = self.pes.both(side, stretch.luck, twins.states)
        twins, outcome = self.pes.outcome(perturbation, pair, stretch)
        outcome = replace(
            outcome,
            loss=unrolled.total,
            signal=outcome.signal - jnp.vdot(perturbation.size, gradient, precision="highest"),
            direction=(perturbation.credited - perturbation.applied, gradient),
        )
        return (twins, unrolled.state), outcome

    def contribution(self, theta: PyTree, outcome: Outcome) -> Float[Array, " parameter"]:
        earlier, gradient = outcome.direction
        return gradient + self.pes.contribution(theta, replace(outcome, direction=earlier))

    def combine(
        self, halves: tuple[Moments, Moments]
    ) -> tuple[Float[Array, " parameter"], Float[Array, " parameter"], dict[str, Float[Array, ""]]]:
        return plain_mean(halves)
