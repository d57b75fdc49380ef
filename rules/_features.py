import abc
import math
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Population(eqx.Module):
    """All that a unit's network may see: the population's activity, error signal, biases and weights on both sides."""

    x: Float[Array, "batch unit"]
    z: Float[Array, "batch unit"]
    bias: Float[Array, " unit"]
    signal: Float[Array, "unit channel batch"]
    below: Float[Array, "pre unit"] | None
    above: Float[Array, "unit post"] | None


class AbstractFeature(eqx.Module):
    """An ingredient of the update network's input. Leaving one out of the tuple is its ablation."""

    @abc.abstractmethod
    def channels(self, signal: int) -> int:
        """Numbers for each unit and example, given the width of the error signal."""

    @abc.abstractmethod
    def __call__(self, population: Population) -> Float[Array, "feature unit batch"]:
        """The numbers for every unit and example."""


@final
class Activation(AbstractFeature):
    """The unit's activation."""

    def channels(self, signal: int) -> int:
        return 1

    def __call__(self, population: Population) -> Float[Array, "1 unit batch"]:
        return population.x.T[None]


@final
class PreActivation(AbstractFeature):
    """The unit's normalised input sum plus bias; for input units, their activation."""

    def channels(self, signal: int) -> int:
        return 1

    def __call__(self, population: Population) -> Float[Array, "1 unit batch"]:
        return population.z.T[None]


@final
class ErrorSignal(AbstractFeature):
    """The learned error signal that came down to the unit."""

    def channels(self, signal: int) -> int:
        return signal

    def __call__(self, population: Population) -> Float[Array, "channel unit batch"]:
        return population.signal.swapaxes(0, 1)


@final
class UnitIdentity(AbstractFeature):
    """Sine and cosine of the unit's index, over two turns: breaks the symmetry between units."""

    def channels(self, signal: int) -> int:
        return 2

    def __call__(self, population: Population) -> Float[Array, "2 unit batch"]:
        batch, units = population.x.shape
        angle = jnp.linspace(0.0, 4 * math.pi, units, dtype=population.x.dtype)
        identity = jnp.stack([jnp.sin(angle), jnp.cos(angle)])
        return jnp.broadcast_to(identity[:, :, None], (2, units, batch))


@final
class Bias(AbstractFeature):
    """The unit's bias."""

    def channels(self, signal: int) -> int:
        return 1

    def __call__(self, population: Population) -> Float[Array, "1 unit batch"]:
        batch, units = population.x.shape
        return jnp.broadcast_to(population.bias[:, None], (1, units, batch))


@final
class WeightStatistics(AbstractFeature):
    """Four moments of the unit's incoming and four of its outgoing weights, jointly scaled to an RMS of one.

    Where one side is missing the other one's are repeated.
    """

    def channels(self, signal: int) -> int:
        return 8

    def __call__(self, population: Population) -> Float[Array, "8 unit batch"]:
        batch, units = population.x.shape
        below = [] if population.below is None else [_moments(population.below.T)]
        above = [] if population.above is None else [_moments(population.above)]
        sides = below + above
        table = jnp.concatenate(sides * (2 // len(sides)))
        table = table * jax.lax.rsqrt((table**2).mean() + 1e-6)
        return jnp.broadcast_to(table[:, :, None], (8, units, batch))


@jax.jit
def _moments(weights: Float[Array, "unit other"]) -> Float[Array, "4 unit"]:
    mean, square = weights.mean(1), (weights**2).mean(1)
    variance = ((weights - mean[:, None]) ** 2).mean(1)
    return jnp.stack([jnp.abs(weights).mean(1), jnp.sqrt(square + 1e-6), mean, jnp.sqrt(variance + 1e-8)])
