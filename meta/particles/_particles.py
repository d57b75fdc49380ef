import abc
from dataclasses import replace
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from ...errors import BadInput
from .._devices import device_count, replicate, shard_particles, trace_particle
from .._estimator import AbstractEstimator, Estimate
from .._length import Length
from .._problem import AbstractProblem
from ._flat import ravel
from ._map_particles import map_particles
from ._moments import Moments
from ._particle import Particle, ParticlesState, WindowResult
from ._population import ParticleKeys, Population
from ._shaping import AbstractShaping
from ._unroll import Truncation


@final
class Plan(eqx.Module):
    """The hyper-parameters that every estimator with particles has.

    `window` is the number of steps between two meta-steps; None means the whole unroll. Where a window does not divide
    the horizon, the steps beyond it are masked. `shaping` is applied to the signals of all particles.
    `unrolls_per_particle` are those that a particle advances side by side, two for an antithetic pair: it counts for
    `Estimate.inner_steps` only.
    """

    population: Population
    window: Length | None
    shaping: AbstractShaping
    unrolls_per_particle: int = 1


class AbstractParticles(AbstractEstimator[ParticlesState]):
    """An estimator whose particles each advance an unroll of their own by a window; the estimate is their mean.

    At every meta-step each particle takes one window. One whose unroll has reached its horizon, or whose loss is not
    finite, begins a new unroll with the next window. Particles with a loss or a contribution that is not finite are
    counted and left out of the mean.

    An own estimator of this kind defines `plan`, `check_particle`, `start`, `advance`, `contribution` and `combine`.
    They speak of ONE particle: `vmap`, chunks, devices, resets, masks and averages are written here, once.
    """

    @property
    @abc.abstractmethod
    def plan(self) -> Plan:
        """The particles, their windows and how their signals are shaped."""

    @abc.abstractmethod
    def check_particle(self, problem: AbstractProblem, theta: PyTree, carried: PyTree, truncation: Truncation) -> None:
        """Raises `BadInput` if a particle can't work on the problem. May trace; computes nothing."""

    @abc.abstractmethod
    def start(self, problem: AbstractProblem, theta: PyTree, keys: ParticleKeys) -> PyTree:
        """Returns what a particle carries before the first window of an unroll. Only the shapes are used."""

    @abc.abstractmethod
    def advance(
        self, problem: AbstractProblem, theta: PyTree, carried: PyTree, truncation: Truncation
    ) -> tuple[PyTree, WindowResult]:
        """Takes one window, of a new unroll where `truncation.is_start`. Returns what is carried on, and the result.

        `unroll` takes the steps, resets included; what else is carried this method resets itself.
        """

    @abc.abstractmethod
    def contribution(self, theta: PyTree, result: WindowResult) -> PyTree[Float[Array, " _"]]:
        """Returns a particle's estimate of the gradient as a vector, or several by name for `combine` to weigh."""

    @abc.abstractmethod
    def combine(
        self, halves: tuple[Moments, Moments]
    ) -> tuple[Float[Array, " parameter"], Float[Array, " parameter"], dict[str, Float[Array, ""]]]:
        """Returns the gradient, its variance and diagnostics. `plain_mean` suits a contribution of one vector.

        `halves` are the moments of the contributions of even and of odd groups of particles.
        """

    def check(self, problem: AbstractProblem, theta: PyTree, key: PRNGKeyArray) -> None:
        ravel(theta)  # Raises where there is nothing to learn.
        window, horizon = self.plan.window, problem.horizon
        if window is not None and window.maximum > horizon.maximum:
            raise BadInput(
                f"A window of up to {window.maximum} steps is longer than the longest horizon ({horizon.maximum} "
                "steps): take a shorter window or a longer horizon."
            )
        self.check_devices(device_count())

        def trace(problem: AbstractProblem, theta: PyTree, key: PRNGKeyArray) -> None:
            state = self.init(problem, theta, key)
            trace_particle(_Common.check_particle, *self._begin(problem, theta, state, key))

        eqx.filter_eval_shape(trace, problem, theta, key)

    def windows(self, problem: AbstractProblem) -> int:
        window = self.plan.window
        return 1 if window is None else -(-problem.horizon.maximum // window.maximum)

    def check_devices(self, devices: int) -> None:
        self.plan.population.share(devices)

    def init(self, problem: AbstractProblem, theta: PyTree, key: PRNGKeyArray) -> ParticlesState:
        population, window = self.plan.population, self.plan.window
        meta_step = jnp.zeros((), jnp.int32)
        keys = population.keys(key, meta_step)
        length = jax.vmap(lambda keys: problem.horizon.sample(keys.length, keys.meta_step))(keys)
        if population.stagger and window is not None:
            # The first unroll of group i of n ends after i / n of its windows.
            steps = window.sample(jr.fold_in(key, 0), meta_step)
            groups, members = population.grid
            group = jnp.arange(population.count) // members + 1
            windows = -(-length // steps)
            length = jnp.minimum(length, steps * -(-group * windows // groups))
        # Shapes only: every particle is at age 0, so that its first window begins a new unroll. Jitted, so that `check`
        # and `init` trace it once.
        start = eqx.filter_jit(self.start)
        carried = jax.eval_shape(jax.vmap(lambda keys: start(problem, theta, keys)), keys)
        carried = jax.tree.map(lambda x: _blank(x, key), carried)
        zero = jnp.zeros(population.count, jnp.int32)
        return ParticlesState(shard_particles(Particle(carried, zero, length, zero)), replicate(meta_step))

    def estimate(
        self, problem: AbstractProblem, theta: PyTree, state: ParticlesState, key: PRNGKeyArray
    ) -> tuple[Estimate, ParticlesState]:
        common, inputs = self._begin(problem, theta, state, key)

        def step(
            common: _Common, particle: Particle, keys: ParticleKeys, scale: Float[Array, ""]
        ) -> tuple[Particle, WindowResult]:
            truncation = common.truncation(particle, keys, scale)
            # Jitted, so that what `check` has traced is not traced again.
            advance = eqx.filter_jit(common.estimator.advance)
            carried, result = advance(common.problem, common.theta, particle.carried, truncation)
            # An unroll whose loss is not finite ends here.
            age = jnp.where(jnp.isfinite(result.loss), particle.age + truncation.live_steps, particle.length)
            return Particle(carried, age.astype(particle.age.dtype), particle.length, particle.windows + 1), result

        def shape(results: WindowResult) -> WindowResult:
            return replace(results, signal=self.plan.shaping(results.signal))

        def contribute(common: _Common, results: WindowResult) -> tuple[Bool[Array, " particle"], PyTree]:
            vectors = jax.vmap(lambda result: common.estimator.contribution(common.theta, result))(results)
            finite = jnp.isfinite(results.loss) & jnp.isfinite(results.signal)
            for vector in jax.tree.leaves(vectors):
                finite &= jnp.isfinite(vector).all(1)
            return finite, vectors

        # In one pass where each particle's signal is shaped by itself. Else a first pass collects the signals of all,
        # without the directions, which would need too much memory, and a second one makes these again.
        def only_pass(common, chunk):
            particles, results = jax.vmap(lambda *one: step(common, *one))(*chunk)
            finite, vectors = contribute(common, shape(results))
            return (particles, replace(results, direction=None, recipe=None), finite), vectors, finite

        def first_pass(common, chunk):
            particles, results = jax.vmap(lambda *one: step(common, *one))(*chunk)
            return (particles, replace(results, direction=None)), None, jnp.ones(results.loss.shape, bool)

        def second_pass(common, results):
            finite, vectors = contribute(common, results)
            return finite, vectors, finite

        population = self.plan.population
        if self.plan.shaping.together:
            (particles, results), _ = map_particles(first_pass, common, inputs, population)
            finite, halves = map_particles(second_pass, common, shape(results), population)
        else:
            (particles, results, finite), halves = map_particles(only_pass, common, inputs, population)
        before, _, _ = inputs
        live_steps = jnp.minimum(common.steps, before.length - before.age)
        estimate = self._summary(theta, results, finite, live_steps, halves)
        return estimate, ParticlesState(shard_particles(particles), replicate(state.meta_step + 1))

    def _begin(
        self, problem: AbstractProblem, theta: PyTree, state: ParticlesState, key: PRNGKeyArray
    ) -> tuple["_Common", tuple[Particle, ParticleKeys, Float[Array, " particle"]]]:
        """Returns what all particles use at a meta-step; and the particles, their keys and the scales of their losses.

        Child 0 of the key is for the window's length, the others are the particles'.
        """
        keys = shard_particles(self.plan.population.keys(key, state.meta_step))
        particles = jax.vmap(lambda particle, keys: _renew(problem, particle, keys))(state.particles, keys)
        if self.plan.window is None:
            steps = (particles.length - particles.age).max()
            windows = jnp.ones_like(particles.length)
        else:
            steps = self.plan.window.sample(jr.fold_in(key, 0), state.meta_step)
            windows = -(-particles.length // steps)
        return _Common(self, problem, theta, steps), (particles, keys, windows / particles.length)

    def _summary(self, theta, results, finite, live_steps, halves) -> Estimate:
        grad, variance, diagnostics = self.combine(halves)
        vector, _, unravel = ravel(theta)
        grad, variance = grad.astype(vector.dtype), variance.astype(vector.dtype)
        steps = jnp.where(finite, live_steps, 0).sum()
        loss = jnp.where(finite, results.loss, 0).sum()
        means = {
            name: jnp.where(finite, values, 0).sum() / jnp.maximum(finite.sum(), 1)
            for name, values in results.diagnostics.items()
        }
        return Estimate(
            unravel(grad),
            unravel(variance),
            jnp.where(steps > 0, loss / jnp.maximum(steps, 1), jnp.inf),
            finite.any(),
            (self.plan.unrolls_per_particle * live_steps).sum(),
            {"nonfinite": 1 - finite.mean()} | means | diagnostics,
        )


class _Common(eqx.Module):
    """What all particles use at one meta-step. Passed as an argument, so that every device has its own (`_devices`)."""

    estimator: AbstractParticles
    problem: AbstractProblem
    theta: PyTree
    steps: Int[Array, ""]

    def truncation(self, particle: Particle, keys: ParticleKeys, scale: Float[Array, ""]) -> Truncation:
        """Returns the steps of a particle's next window."""
        horizon = self.problem.horizon
        window = self.estimator.plan.window or horizon
        even = window.fixed and horizon.fixed and horizon.maximum % window.maximum == 0
        return Truncation(
            keys=keys,
            is_start=particle.age == 0,
            steps=self.steps,
            remaining=particle.length - particle.age,
            scale=scale,
            windows=particle.windows,
            maximum=window.maximum,
            skips=not window.fixed,
            masks=not even,
        )

    def check_particle(self, particle: Particle, keys: ParticleKeys, scale: Float[Array, ""]) -> None:
        truncation = self.truncation(particle, keys, scale)
        self.estimator.check_particle(self.problem, self.theta, particle.carried, truncation)


def _renew(problem: AbstractProblem, particle: Particle, keys: ParticleKeys) -> Particle:
    """Sets a particle whose unroll has ended to age 0 of a new one."""
    over = particle.age >= particle.length
    length = problem.horizon.sample(keys.length, keys.meta_step)
    return Particle(
        particle.carried,
        age=jnp.where(over, 0, particle.age),
        length=jnp.where(over, length, particle.length),
        windows=jnp.where(over, 0, particle.windows),
    )


def _blank(shape: jax.ShapeDtypeStruct, key: PRNGKeyArray) -> Array:
    """Returns an array of this shape whose numbers mean nothing."""
    if jnp.issubdtype(shape.dtype, jax.dtypes.prng_key):
        return jnp.broadcast_to(key, shape.shape)
    return jnp.zeros(shape.shape, shape.dtype)
