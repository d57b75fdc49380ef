import abc
from collections.abc import Callable
from typing import ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ...tasks import BadInput
from .._length import Length
from .._problem import AbstractProblem
from ._flat import ravel
from ._mean import plain_mean
from ._moments import Moments
from ._noise import Noise
from ._particles import AbstractParticles, Plan
from ._population import Luck, Population
from ._run import Outcome
from ._shaping import AbstractShaping
from ._unroll import Stretch, unroll, Unrolled


Draw = Callable[[Int[Array, ""]], Float[Array, " parameter"]]


@final
class Twins(eqx.Module):
    """An antithetic pair of runs and the noise between them."""

    states: PyTree  # stacked: plus, minus
    credit: Float[Array, " parameter"] | None  # credited so far in this episode, where it is not drawn again
    key: PRNGKeyArray  # of all noise in this episode
    factor: Float[Array, ""]  # the noise schedule's, when the episode began


class AbstractPersistent(AbstractParticles):
    """Antithetic pairs of whole runs: one at theta plus noise, its twin, with the same luck, at theta minus noise.

    The estimate is half the difference of their losses times the noise that a window is credited to. Estimators differ
    in which noise they apply in a window and which they credit it to, and say so in `perturb`.
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
    def perturb(
        self, draw: Draw, credit: Float[Array, " parameter"] | None, window: Int[Array, ""]
    ) -> tuple[Float[Array, " parameter"], Float[Array, " parameter"]]:
        """The noise to apply in the episode's window of this number, and that to credit with its difference of losses.

        `draw(i)` is the episode's i-th noise, always the same; `credit` is what this method returned a window ago.
        """

    @property
    def plan(self) -> Plan:
        return Plan(self.population, self.window, self.shaping)

    def check(self, problem: AbstractProblem, theta: PyTree, key: PRNGKeyArray) -> None:
        vector, _, _ = ravel(theta)
        if vector.size == 0:
            raise BadInput("There is nothing to learn: theta holds no floating-point array.")

    def start(self, problem: AbstractProblem, theta: PyTree, luck: Luck) -> Twins:
        vector, rebuild, _ = ravel(theta)
        factor = self.noise.factor(luck.meta_step)
        credit = jnp.zeros_like(vector) if self.remembers else None
        applied, _ = self.perturb(self._draw(theta, luck.own), credit, jnp.zeros((), jnp.int32))
        applied *= self.noise.deviation(theta, factor)
        key = jr.fold_in(luck.shared, 0)
        states = self.both(lambda sign, key, _: problem.init(rebuild(vector + sign * applied), key), key, None)
        return Twins(states, credit, luck.own, factor)

    def advance(
        self, problem: AbstractProblem, theta: PyTree, carried: Twins, stretch: Stretch
    ) -> tuple[Twins, Outcome]:
        vector, rebuild, _ = ravel(theta)
        applied, credited = self.window_noise(theta, carried, stretch)
        applied *= self.noise.deviation(theta, carried.factor)

        def side(sign, key, state):
            return unroll(problem, rebuild(vector + sign * applied), state, eqx.tree_at(_key, stretch, key))

        unrolled = self.both(side, stretch.key, carried.states)
        return self.outcome(carried, credited, unrolled, stretch)

    def contribution(self, theta: PyTree, outcome: Outcome) -> Float[Array, " parameter"]:
        twins, window = outcome.recipe
        _, credited = self.perturb(self._draw(theta, twins.key), twins.credit, window)
        return outcome.signal * credited / self.noise.deviation(theta, twins.factor)

    def combine(
        self, halves: tuple[Moments, Moments]
    ) -> tuple[Float[Array, " parameter"], Float[Array, " parameter"], dict[str, Float[Array, ""]]]:
        return plain_mean(halves)

    def window_noise(
        self, theta: PyTree, carried: Twins, stretch: Stretch
    ) -> tuple[Float[Array, " parameter"], Float[Array, " parameter"]]:
        """The noise of unit variance to apply in a window, and that to credit it to."""
        return self.perturb(self._draw(theta, carried.key), carried.credit, stretch.windows)

    def both(self, side: Callable, key: PRNGKeyArray, states: PyTree) -> PyTree:
        """Does the same to both twins: `side(sign, key, state)`."""
        keys = jnp.stack([key, key if self.noise.common else jr.fold_in(key, 1)])
        return jax.vmap(side)(jnp.array([1.0, -1.0]), keys, states)

    def outcome(
        self, carried: Twins, credited: Float[Array, " parameter"], unrolled: Unrolled, stretch: Stretch
    ) -> tuple[Twins, Outcome]:
        """What twins carry after a window, and what it told them."""
        states = unrolled.state
        if self.joined:
            states = jax.tree.map(lambda x: jnp.stack([x[0], x[0]]), states)
        after = Twins(states, credited if self.remembers else None, carried.key, carried.factor)
        difference = stretch.scale * (unrolled.total[0] - unrolled.total[1]) / 2
        recipe = Twins(None, carried.credit, carried.key, carried.factor), stretch.windows
        return after, Outcome(unrolled.total.mean(), difference, recipe, {})

    def _draw(self, theta: PyTree, key: PRNGKeyArray) -> Draw:
        return lambda index: self.noise.draw(jr.fold_in(key, index), theta)


def _key(stretch: Stretch) -> PRNGKeyArray:
    return stretch.key
