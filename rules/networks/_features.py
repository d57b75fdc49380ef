import abc
import math
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..kernels._states import States


class NeuronInputs(eqx.Module):
    """All that a unit's network may see: the population's activity, error signal, biases and weights on both sides."""

    x: Float[Array, "batch unit"]
    z: Float[Array, "batch unit"]
    bias: Float[Array, " unit"]
    signal: States
    below: Float[Array, "pre unit"] | None
    above: Float[Array, "unit post"] | None


class AbstractFeature(eqx.Module):
    """An ingredient of the update network's input. Leaving one out of the tuple is its ablation."""

    @abc.abstractmethod
    def channels(self, signal: int) -> int:
        """Numbers for each unit and example, given the width of the error signal."""

    @abc.abstractmethod
    def __call__(self, population: NeuronInputs) -> States:
        """The numbers for every example and unit, as the channels of states."""


@final
class Activation(AbstractFeature):
    """The unit's activation."""

    def channels(self, signal: int) -> int:
        return 1

    def __call__(self, population: NeuronInputs) -> States:
        return States(population.x[None])


@final
class PreActivation(AbstractFeature):
    """The unit's normalised input sum plus bias; for input units, their activation."""

    def channels(self, signal: int) -> int:
        return 1

    def __call__(self, population: NeuronInputs) -> States:
        return States(population.z[None])


@final
class ErrorSignal(AbstractFeature):
    """The learned error signal that came down to the unit."""

    def channels(self, signal: int) -> int:
        return signal

    def __call__(self, population: NeuronInputs) -> States:
        return population.signal


@final
class UnitIdentity(AbstractFeature):
    """Sine and cosine of the unit's index, over two turns: breaks the symmetry between units."""

    def channels(self, signal: int) -> int:
        return 2

    def __call__(self, population: NeuronInputs) -> States:
        batch, units = population.x.shape
        angle = jnp.linspace(0.0, 4 * math.pi, units, dtype=population.x.dtype)
        identity = jnp.stack([jnp.sin(angle), jnp.cos(angle)])
        return States(jnp.broadcast_to(identity[:, None], (2, batch, units)))


@final
class Bias(AbstractFeature):
    """The unit's bias."""

    def channels(self, signal: int) -> int:
        return 1

    def __call__(self, population: NeuronInputs) -> States:
        batch, units = population.x.shape
        return States(jnp.broadcast_to(population.bias, (1, batch, units)))


@final
class WeightStatistics(AbstractFeature):
    """Four moments of the unit's incoming and four of its outgoing weights, jointly scaled to an RMS of one.

    Where one side is missing the other one's are repeated.
    """

    def channels(self, signal: int) -> int:
        return 8

    def __call__(self, population: NeuronInputs) -> States:
        batch, units = population.x.shape
        below = [] if population.below is None else [_moments(population.below.T)]
        above = [] if population.above is None else [_moments(population.above)]
        sides = below + above
        table = jnp.concatenate(sides * (2 // len(sides)))
        table = table * jax.lax.rsqrt((table**2).mean() + 1e-6)
        return States(jnp.broadcast_to(table[:, None], (8, batch, units)))


@jax.jit
def _moments(weights: Float[Array, "unit other"]) -> Float[Array, "4 unit"]:
    mean, square = weights.mean(1), (weights**2).mean(1)
    variance = ((weights - mean[:, None]) ** 2).mean(1)
    return jnp.stack([jnp.abs(weights).mean(1), jnp.sqrt(square + 1e-6), mean, jnp.sqrt(variance + 1e-8)])
