import abc
from dataclasses import replace
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from ...errors import BadInput
from .._devices import device_count, rehearse, replicate, spread
from .._estimator import AbstractEstimator, Estimate
from .._length import Length
from .._problem import AbstractProblem
from ._flat import ravel
from ._moments import Moments
from ._population import Luck, Population
from ._run import Outcome, ParticlesState, Run
from ._shaping import AbstractShaping
from ._sweep import sweep
from ._unroll import Stretch


@final
class Plan(eqx.Module):
    """What all estimators with particles have in common."""

    population: Population
    window: Length | None  # steps between two meta-steps; None means whole episodes
    shaping: AbstractShaping
    runs: int = 1  # that a particle advances side by side


class AbstractParticles(AbstractEstimator[ParticlesState]):
    """An estimator whose particles each advance their own run by a window and average what they find.

    All that particles have in common is written here, once. Every meta-step each particle takes one window of its
    episode; one whose episode is over, or whose loss is no longer finite, begins anew before the next. Particles with
    a loss or a contribution that is not finite are counted and left out of the mean. `start` and `advance` speak of
    ONE particle.
    """

    @property
    @abc.abstractmethod
    def plan(self) -> Plan:
        """The particles and their windows."""

    @abc.abstractmethod
    def check(self, problem: AbstractProblem, theta: PyTree, carried: PyTree, stretch: Stretch) -> None:
        """Raises `BadInput` if this estimator can't work on the problem. It may trace, and computes nothing."""

    @abc.abstractmethod
    def start(self, problem: AbstractProblem, theta: PyTree, luck: Luck) -> PyTree:
        """What a particle carries when its episode begins."""

    @abc.abstractmethod
    def advance(
        self, problem: AbstractProblem, theta: PyTree, carried: PyTree, stretch: Stretch
    ) -> tuple[PyTree, Outcome]:
        """Takes one window, from an episode's start if `stretch` says so: what is carried on, and what it found."""

    @abc.abstractmethod
    def contribution(self, theta: PyTree, outcome: Outcome) -> PyTree[Float[Array, " _"]]:
        """A particle's estimates of the gradient, as vectors."""

    @abc.abstractmethod
    def combine(
        self, halves: tuple[Moments, Moments]
    ) -> tuple[Float[Array, " parameter"], Float[Array, " parameter"], dict[str, Float[Array, ""]]]:
        """The gradient, its variance and diagnostics, from the moments of the even and of the odd groups."""

    def check_devices(self, devices: int) -> None:
        self.plan.population.share(devices)

    def init(
        self, problem: AbstractProblem, theta: PyTree, key: PRNGKeyArray, *, rehearsed: bool = False
    ) -> ParticlesState:
        ravel(theta)  # Raises where there is nothing to learn.
        if self.plan.window is not None and self.plan.window.maximum > problem.horizon.maximum:
            raise BadInput(
                f"A window of up to {self.plan.window.maximum} steps is longer than the longest episode "
                f"({problem.horizon.maximum} steps): shorten the window or lengthen the episode."
            )
        self.check_devices(device_count())
        meta_step = jnp.zeros((), jnp.int32)
        luck = self.plan.population.luck(key, meta_step)
        length = jax.vmap(lambda l: problem.horizon.sample(l.length, l.meta_step))(luck)
        if self.plan.population.stagger and self.plan.window is not None:
            window = self.plan.window.sample(jr.fold_in(key, 0), meta_step)
            groups, members = self.plan.population.grid
            place = jnp.arange(self.plan.population.count) // members + 1
            windows = -(-length // window)
            length = jnp.minimum(length, window * -(-place * windows // groups))
        # Only the shapes: the first window begins with a new episode, as does every run of age 0.
        carried = jax.eval_shape(jax.vmap(lambda l: self.start(problem, theta, l)), luck)
        carried = jax.tree.map(lambda x: _blank(x, key), carried)
        zero = jnp.zeros(self.plan.population.count, jnp.int32)
        state = ParticlesState(spread(Run(carried, zero, length, zero)), replicate(meta_step))
        if not rehearsed:
            rehearse(_Common.check, *self._begin(problem, theta, state, key))
        return state

    def estimate(
        self, problem: AbstractProblem, theta: PyTree, state: ParticlesState, key: PRNGKeyArray
    ) -> tuple[Estimate, ParticlesState]:
        common, particles = self._begin(problem, theta, state, key)

        def step(common: _Common, run: Run, luck: Luck, scale: Float[Array, ""]) -> tuple[Run, Outcome]:
            stretch = common.stretch(run, luck, scale)
            # Jitted: what `check` has traced is not traced again.
            advance = eqx.filter_jit(common.estimator.advance)
            carried, outcome = advance(common.problem, common.theta, run.carried, stretch)
            # A run that is no longer finite has nothing left to say.
            age = jnp.where(jnp.isfinite(outcome.loss), run.age + stretch.live, run.length).astype(run.age.dtype)
            return Run(carried, age, run.length, run.windows + 1), outcome

        def shape(outcomes: Outcome) -> Outcome:
            return replace(outcomes, signal=self.plan.shaping(outcomes.signal))

        def contribute(common: _Common, outcomes: Outcome) -> tuple[Bool[Array, " particle"], PyTree]:
            vectors = jax.vmap(lambda outcome: common.estimator.contribution(common.theta, outcome))(outcomes)
            finite = jnp.isfinite(outcomes.loss) & jnp.isfinite(outcomes.signal)
            for vector in jax.tree.leaves(vectors):
                finite &= jnp.isfinite(vector).all(1)
            return finite, vectors

        def first(common, some):
            runs, outcomes = jax.vmap(lambda *one: step(common, *one))(*some)
            return (runs, replace(outcomes, direction=None)), None, jnp.ones(outcomes.loss.shape, bool)

        def second(common, outcomes):
            finite, vectors = contribute(common, outcomes)
            return finite, vectors, finite

        def apart(common, some):
            runs, outcomes = jax.vmap(lambda *one: step(common, *one))(*some)
            finite, vectors = contribute(common, shape(outcomes))
            return (runs, replace(outcomes, direction=None, recipe=None), finite), vectors, finite

        if self.plan.shaping.together:
            (runs, outcomes), _ = sweep(first, common, particles, self.plan.population)
            finite, halves = sweep(second, common, shape(outcomes), self.plan.population)
        else:
            (runs, outcomes, finite), halves = sweep(apart, common, particles, self.plan.population)
        before, _, _ = particles
        live = jnp.minimum(common.steps, before.length - before.age)
        estimate = self._summary(theta, outcomes, finite, live, halves)
        return estimate, ParticlesState(spread(runs), replicate(state.meta_step + 1))

    def _begin(
        self, problem: AbstractProblem, theta: PyTree, state: ParticlesState, key: PRNGKeyArray
    ) -> tuple["_Common", tuple[Run, Luck, Float[Array, " particle"]]]:
        """What a meta-step begins with: what all particles use, and of each its run, its luck and its scale."""
        luck = spread(self.plan.population.luck(key, state.meta_step))
        runs = jax.vmap(lambda run, l: _renew(problem, run, l))(state.runs, luck)
        if self.plan.window is None:
            steps = (runs.length - runs.age).max()
            windows = jnp.ones_like(runs.length)
        else:
            steps = self.plan.window.sample(jr.fold_in(key, 0), state.meta_step)
            windows = -(-runs.length // steps)
        return _Common(self, problem, theta, steps), (runs, luck, windows / runs.length)

    def _summary(self, theta, outcomes, finite, live, halves) -> Estimate:
        grad, variance, diagnostics = self.combine(halves)
        vector, _, unravel = ravel(theta)
        grad, variance = grad.astype(vector.dtype), variance.astype(vector.dtype)
        norm = jnp.linalg.norm(grad)
        noise = jnp.sqrt(variance.sum())
        steps = jnp.where(finite, live, 0).sum()
        loss = jnp.where(finite, outcomes.loss, 0).sum()
        means = {
            name: jnp.where(finite, values, 0).sum() / jnp.maximum(finite.sum(), 1)
            for name, values in outcomes.diagnostics.items()
        }
        general = {
            "nonfinite": 1 - finite.mean(),
            "gradient_norm": norm,
            "signal_to_noise": jnp.where(noise > 0, norm / jnp.where(noise > 0, noise, 1), jnp.inf),
            "inner_steps": (self.plan.runs * live).sum().astype(float),
        }
        return Estimate(
            unravel(grad),
            unravel(variance),
            jnp.where(steps > 0, loss / jnp.maximum(steps, 1), jnp.inf),
            general | means | diagnostics,
        )


class _Common(eqx.Module):
    """What all particles use at one meta-step, handed over by name: every device needs it as its own."""

    estimator: AbstractParticles
    problem: AbstractProblem
    theta: PyTree
    steps: Int[Array, ""]

    def stretch(self, run: Run, luck: Luck, scale: Float[Array, ""]) -> Stretch:
        """What one particle has before it."""
        horizon = self.problem.horizon
        window = self.estimator.plan.window or horizon
        even = window.fixed and horizon.fixed and horizon.maximum % window.maximum == 0
        return Stretch(
            luck=luck,
            begins=run.age == 0,
            steps=self.steps,
            remaining=run.length - run.age,
            scale=scale,
            windows=run.windows,
            maximum=window.maximum,
            skips=not window.fixed,
            masks=not even,
        )

    def check(self, run: Run, luck: Luck, scale: Float[Array, ""]) -> None:
        self.estimator.check(self.problem, self.theta, run.carried, self.stretch(run, luck, scale))


def _renew(problem: AbstractProblem, run: Run, luck: Luck) -> Run:
    """Sets the clock of a run whose episode is over to the beginning of another."""
    over = run.age >= run.length
    length = problem.horizon.sample(luck.length, luck.meta_step)
    return Run(
        run.carried,
        age=jnp.where(over, 0, run.age),
        length=jnp.where(over, length, run.length),
        windows=jnp.where(over, 0, run.windows),
    )


def _blank(shape: jax.ShapeDtypeStruct, key: PRNGKeyArray) -> Array:
    """An array to be overwritten."""
    if jnp.issubdtype(shape.dtype, jax.dtypes.prng_key):
        return jnp.broadcast_to(key, shape.shape)
    return jnp.zeros(shape.shape, shape.dtype)
