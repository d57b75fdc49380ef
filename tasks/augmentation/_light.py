import math
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ._augmentation import AbstractAugmentation, sometimes


@final
class ShadeStyle(eqx.Module):
    """A task's low-frequency pattern, and the strength with which its images are multiplied."""

    own: Float[Array, "side side"]
    strength: Float[Array, ""]


@final
class Shade(AbstractAugmentation):
    """Multiplies images by a smooth pattern: the sum of one for the task and one for each example."""

    strength: float = 0.8
    """Standard deviation of the pattern around 1 in the strongest task; the pattern is clipped to [0, 2]."""
    waves: int = 3
    """Highest frequency along each axis, in half periods per side."""
    probability: float = 0.5

    @property
    def coefficients(self) -> int:
        return 0

    def draw(self, side: int, key: PRNGKeyArray) -> ShadeStyle:
        waves = _waves(self.waves, side)
        uniform = jax.random.uniform(key, (len(waves) + 2,))
        own = (math.sqrt(12) * (uniform[2:] - 0.5) @ waves).reshape(side, side)
        strength = sometimes(self.probability, 0.2 + 0.8 * uniform[0], uniform[1])
        return ShadeStyle(own, self.strength * strength)

    def __call__(
        self, images: Float[Array, "example channel side side"], style: ShadeStyle, key: PRNGKeyArray
    ) -> tuple[Float[Array, "example channel side side"], Float[Array, "example 0"]]:
        side, none = images.shape[-1], jnp.zeros((images.shape[0], 0), images.dtype)
        waves = _waves(self.waves, side)
        limit = math.sqrt(3)  # The uniform distribution on [-limit, limit] has unit variance.
        uniform = jax.random.uniform(key, (images.shape[0] * len(waves),), images.dtype, -limit, limit)
        drawn = uniform.reshape(-1, len(waves)) @ waves
        pattern = math.sqrt(0.5) * (style.own + drawn.reshape(-1, 1, side, side))
        return jnp.clip(images * jnp.clip(1 + style.strength * pattern, 0, 2), 0, 1), none


@final
class ContrastStyle(eqx.Module):
    """A task's map of brightness: `low + (high - low) * value ** gamma`; inverted where low exceeds high."""

    low: Float[Array, ""]
    high: Float[Array, ""]
    gamma: Float[Array, ""]


@final
class Contrast(AbstractAugmentation):
    """Maps brightness by a power function between two levels; both are the task's. Some tasks are inverted."""

    background: float = 0.3
    """Highest level of black, in tasks with a grey background."""
    power: float = 0.5
    """Largest logarithm of gamma."""
    jitter: float = 0.15
    """Standard deviation of the contrast of examples."""
    inverted: float = 0.15
    """Probability that a task is inverted."""
    probability: float = 0.6

    @property
    def coefficients(self) -> int:
        return 0

    def draw(self, side: int, key: PRNGKeyArray) -> ContrastStyle:
        low, high, gamma, chance, swap = jax.random.uniform(key, (5,))
        on = sometimes(self.probability, jnp.ones(()), chance)
        low = self.background * on * jnp.maximum(2 * low - 1, 0)
        high = 1 - 0.4 * on * high
        gamma = jnp.exp(self.power * on * (2 * gamma - 1))
        swap = swap < self.inverted
        return ContrastStyle(jnp.where(swap, high, low), jnp.where(swap, low, high), gamma)

    def __call__(
        self, images: Float[Array, "example channel side side"], style: ContrastStyle, key: PRNGKeyArray
    ) -> tuple[Float[Array, "example channel side side"], Float[Array, "example 0"]]:
        none = jnp.zeros((images.shape[0], 0), images.dtype)
        limit = self.jitter * 3**0.5
        own = jax.random.uniform(key, (images.shape[0],), images.dtype, 1 - limit, 1 + limit)[:, None, None, None]
        shaped = jnp.maximum(images, 1e-6) ** style.gamma
        return jnp.clip(style.low + (style.high - style.low) * own * shaped, 0, 1), none


@final
class PixelNoise(AbstractAugmentation):
    """Adds independent uniform noise to each pixel. The task draws its standard deviation, up to `deviation`."""

    deviation: float = 0.15
    probability: float = 0.6

    @property
    def coefficients(self) -> int:
        return 0

    def draw(self, side: int, key: PRNGKeyArray) -> Float[Array, ""]:
        strength, chance = jax.random.uniform(key, (2,))
        return self.deviation * sometimes(self.probability, strength, chance)

    def __call__(
        self, images: Float[Array, "example channel side side"], style: Float[Array, ""], key: PRNGKeyArray
    ) -> tuple[Float[Array, "example channel side side"], Float[Array, "example 0"]]:
        # Four random bytes from each word instead of a float: a third of the run time, an eighth of the compile time.
        words = jax.random.bits(key, (-(-images.size // 4),))
        random = jax.lax.bitcast_convert_type(words, jnp.uint8).reshape(-1)[: images.size]
        noise = (random.reshape(images.shape).astype(images.dtype) - 127.5) * (style * 3**0.5 / 127.5)
        return jnp.clip(images + noise, 0, 1), jnp.zeros((images.shape[0], 0), images.dtype)


def _waves(highest: int, side: int) -> Float[np.ndarray, "wave pixel"]:
    """Returns products of cosines, without the constant one, whose sum with unit coefficients has unit variance."""
    line = np.cos(np.pi * np.arange(highest + 1)[:, None] * (np.arange(side) + 0.5) / side)
    line /= np.sqrt((line**2).mean(1, keepdims=True))
    waves = np.einsum("ar,bc->abrc", line, line).reshape(-1, side * side)[1:]
    return (waves / np.sqrt(len(waves))).astype(np.float32)
