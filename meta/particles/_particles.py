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
from ._map_particles import map_particles
from ._moments import Moments
from ._population import ParticleKeys, Population
from ._run import ParticlesState, Run, WindowResult
from ._shaping import AbstractShaping
from ._unroll import Truncation


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
    def check(self, problem: AbstractProblem, theta: PyTree, carried: PyTree, truncation: Truncation) -> None:
        """Raises `BadInput` if this estimator can't work on the problem. It may trace, and computes nothing."""

    @abc.abstractmethod
    def start(self, problem: AbstractProblem, theta: PyTree, keys: ParticleKeys) -> PyTree:
        """What a particle carries when its episode begins."""

    @abc.abstractmethod
    def advance(
        self, problem: AbstractProblem, theta: PyTree, carried: PyTree, truncation: Truncation
    ) -> tuple[PyTree, WindowResult]:
        """Takes one window, from an episode's start if `truncation` says so: what is carried on, and what it found."""

    @abc.abstractmethod
    def contribution(self, theta: PyTree, result: WindowResult) -> PyTree[Float[Array, " _"]]:
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
        keys = self.plan.population.keys(key, meta_step)
        length = jax.vmap(lambda l: problem.horizon.sample(l.length, l.meta_step))(keys)
        if self.plan.population.stagger and self.plan.window is not None:
            window = self.plan.window.sample(jr.fold_in(key, 0), meta_step)
            groups, members = self.plan.population.grid
            place = jnp.arange(self.plan.population.count) // members + 1
            windows = -(-length // window)
            length = jnp.minimum(length, window * -(-place * windows // groups))
        # Only the shapes: the first window begins with a new episode, as does every run of age 0.
        carried = jax.eval_shape(jax.vmap(lambda l: self.start(problem, theta, l)), keys)
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

        def step(common: _Common, run: Run, keys: ParticleKeys, scale: Float[Array, ""]) -> tuple[Run, WindowResult]:
            truncation = common.truncation(run, keys, scale)
            # Jitted: what `check` has traced is not traced again.
            advance = eqx.filter_jit(common.estimator.advance)
            carried, result = advance(common.problem, common.theta, run.carried, truncation)
            # A run that is no longer finite has nothing left to say.
            age = jnp.where(jnp.isfinite(result.loss), run.age + truncation.live_steps, run.length).astype(
                run.age.dtype
            )
            return Run(carried, age, run.length, run.windows + 1), result

        def shape(results: WindowResult) -> WindowResult:
            return replace(results, signal=self.plan.shaping(results.signal))

        def contribute(common: _Common, results: WindowResult) -> tuple[Bool[Array, " particle"], PyTree]:
            vectors = jax.vmap(lambda result: common.estimator.contribution(common.theta, result))(results)
            finite = jnp.isfinite(results.loss) & jnp.isfinite(results.signal)
            for vector in jax.tree.leaves(vectors):
                finite &= jnp.isfinite(vector).all(1)
            return finite, vectors

        def first(common, some):
            runs, results = jax.vmap(lambda *one: step(common, *one))(*some)
            return (runs, replace(results, direction=None)), None, jnp.ones(results.loss.shape, bool)

        def second(common, results):
            finite, vectors = contribute(common, results)
            return finite, vectors, finite

        def apart(common, some):
            runs, results = jax.vmap(lambda *one: step(common, *one))(*some)
            finite, vectors = contribute(common, shape(results))
            return (runs, replace(results, direction=None, recipe=None), finite), vectors, finite

        if self.plan.shaping.together:
            (runs, results), _ = map_particles(first, common, particles, self.plan.population)
            finite, halves = map_particles(second, common, shape(results), self.plan.population)
        else:
            (runs, results, finite), halves = map_particles(apart, common, particles, self.plan.population)
        before, _, _ = particles
        live_steps = jnp.minimum(common.steps, before.length - before.age)
        estimate = self._summary(theta, results, finite, live_steps, halves)
        return estimate, ParticlesState(spread(runs), replicate(state.meta_step + 1))

    def _begin(
        self, problem: AbstractProblem, theta: PyTree, state: ParticlesState, key: PRNGKeyArray
    ) -> tuple["_Common", tuple[Run, ParticleKeys, Float[Array, " particle"]]]:
        """What a meta-step begins with: what all particles use, and of each its run, its luck and its scale."""
        keys = spread(self.plan.population.keys(key, state.meta_step))
        runs = jax.vmap(lambda run, l: _renew(problem, run, l))(state.runs, keys)
        if self.plan.window is None:
            steps = (runs.length - runs.age).max()
            windows = jnp.ones_like(runs.length)
        else:
            steps = self.plan.window.sample(jr.fold_in(key, 0), state.meta_step)
            windows = -(-runs.length // steps)
        return _Common(self, problem, theta, steps), (runs, keys, windows / runs.length)

    def _summary(self, theta, results, finite, live_steps, halves) -> Estimate:
        grad, variance, diagnostics = self.combine(halves)
        vector, _, unravel = ravel(theta)
        grad, variance = grad.astype(vector.dtype), variance.astype(vector.dtype)
        norm = jnp.linalg.norm(grad)
        noise = jnp.sqrt(variance.sum())
        steps = jnp.where(finite, live_steps, 0).sum()
        loss = jnp.where(finite, results.loss, 0).sum()
        means = {
            name: jnp.where(finite, values, 0).sum() / jnp.maximum(finite.sum(), 1)
            for name, values in results.diagnostics.items()
        }
        general = {
            "nonfinite": 1 - finite.mean(),
            "gradient_norm": norm,
            "signal_to_noise": jnp.where(noise > 0, norm / jnp.where(noise > 0, noise, 1), jnp.inf),
            "inner_steps": (self.plan.runs * live_steps).sum().astype(float),
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

    def truncation(self, run: Run, keys: ParticleKeys, scale: Float[Array, ""]) -> Truncation:
        """What one particle has before it."""
        horizon = self.problem.horizon
        window = self.estimator.plan.window or horizon
        even = window.fixed and horizon.fixed and horizon.maximum % window.maximum == 0
        return Truncation(
            keys=keys,
            is_start=run.age == 0,
            steps=self.steps,
            remaining=run.length - run.age,
            scale=scale,
            windows=run.windows,
            maximum=window.maximum,
            skips=not window.fixed,
            masks=not even,
        )

    def check(self, run: Run, keys: ParticleKeys, scale: Float[Array, ""]) -> None:
        self.estimator.check(self.problem, self.theta, run.carried, self.truncation(run, keys, scale))


def _renew(problem: AbstractProblem, run: Run, keys: ParticleKeys) -> Run:
    """Sets the clock of a run whose episode is over to the beginning of another."""
    over = run.age >= run.length
    length = problem.horizon.sample(keys.length, keys.meta_step)
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
