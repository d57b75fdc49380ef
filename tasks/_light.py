import math
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ._augmentation import AbstractAugmentation, sometimes


class ShadeStyle(eqx.Module):
    """The low-frequency waves of a task, as rows over the pixels, and how strongly they multiply its images."""

    own: Float[Array, "side side"]
    strength: Float[Array, ""]


@final
class Shade(AbstractAugmentation):
    """Multiplies by a smooth pattern: part of it is the task's own, part is drawn anew for each example."""

    strength: float = 0.8
    """Deviation of the pattern around 1 in the strongest task; it is clipped to stay in [0, 2]."""
    waves: int = 3
    """Highest frequency along each axis, in half periods of the side."""
    probability: float = 0.5

    @property
    def coefficients(self) -> int:
        return 0

    def draw(self, side: int, key: PRNGKeyArray) -> ShadeStyle:
        own_key, strength_key, chance_key = jax.random.split(key, 3)
        waves = _waves(self.waves, side)
        own = (jax.random.normal(own_key, (len(waves),)) @ waves).reshape(side, side)
        strength = jax.random.uniform(strength_key, minval=0.2)
        return ShadeStyle(own, self.strength * sometimes(self.probability, strength, chance_key))

    def __call__(
        self, images: Float[Array, "example channel side side"], style: ShadeStyle, key: PRNGKeyArray
    ) -> tuple[Float[Array, "example channel side side"], Float[Array, "example 0"]]:
        side, none = images.shape[-1], jnp.zeros((images.shape[0], 0), images.dtype)
        waves = _waves(self.waves, side)
        drawn = jax.random.normal(key, (images.shape[0], len(waves)), images.dtype) @ waves
        pattern = math.sqrt(0.5) * (style.own + drawn.reshape(-1, 1, side, side))
        return jnp.clip(images * jnp.clip(1 + style.strength * pattern, 0, 2), 0, 1), none


class ContrastStyle(eqx.Module):
    """A task's way to map brightness: `low + (high - low) * value ** gamma`; inverted where low exceeds high."""

    low: Float[Array, ""]
    high: Float[Array, ""]
    gamma: Float[Array, ""]


@final
class Contrast(AbstractAugmentation):
    """Maps brightness between two levels of the task, with a power in between; some tasks are inverted."""

    background: float = 0.3
    """Highest level of what was black, in those tasks that have one."""
    power: float = 0.5
    """Largest logarithm of gamma."""
    jitter: float = 0.15
    """Deviation of an example's own contrast."""
    inverted: float = 0.15
    """Probability that a task is inverted."""
    probability: float = 0.6

    @property
    def coefficients(self) -> int:
        return 0

    def draw(self, side: int, key: PRNGKeyArray) -> ContrastStyle:
        low_key, high_key, gamma_key, chance_key, invert_key = jax.random.split(key, 5)
        on = sometimes(self.probability, jnp.ones(()), chance_key)
        low = self.background * on * jnp.maximum(jax.random.uniform(low_key, minval=-1.0), 0)
        high = 1 - 0.4 * on * jax.random.uniform(high_key)
        gamma = jnp.exp(self.power * on * jax.random.uniform(gamma_key, minval=-1.0))
        swap = jax.random.uniform(invert_key) < self.inverted
        return ContrastStyle(jnp.where(swap, high, low), jnp.where(swap, low, high), gamma)

    def __call__(
        self, images: Float[Array, "example channel side side"], style: ContrastStyle, key: PRNGKeyArray
    ) -> tuple[Float[Array, "example channel side side"], Float[Array, "example 0"]]:
        none = jnp.zeros((images.shape[0], 0), images.dtype)
        limit = self.jitter * 3**0.5
        own = jax.random.uniform(key, (images.shape[0], 1, 1, 1), images.dtype, 1 - limit, 1 + limit)
        shaped = jnp.maximum(images, 1e-6) ** style.gamma
        return jnp.clip(style.low + (style.high - style.low) * own * shaped, 0, 1), none


@final
class Noise(AbstractAugmentation):
    """Adds independent uniform noise to each pixel; the deviation is the task's."""

    deviation: float = 0.15
    probability: float = 0.6

    @property
    def coefficients(self) -> int:
        return 0

    def draw(self, side: int, key: PRNGKeyArray) -> Float[Array, ""]:
        strength_key, chance_key = jax.random.split(key)
        return self.deviation * sometimes(self.probability, jax.random.uniform(strength_key), chance_key)

    def __call__(
        self, images: Float[Array, "example channel side side"], style: Float[Array, ""], key: PRNGKeyArray
    ) -> tuple[Float[Array, "example channel side side"], Float[Array, "example 0"]]:
        # Bytes instead of floats: a quarter of the random bits, which are most of what this costs.
        lots = jax.random.bits(key, images.shape, "uint8").astype(images.dtype)
        noise = (lots - 127.5) * (style * 3**0.5 / 127.5)
        return jnp.clip(images + noise, 0, 1), jnp.zeros((images.shape[0], 0), images.dtype)


def _waves(highest: int, side: int) -> Float[np.ndarray, "wave pixel"]:
    """Products of cosines, none constant, scaled so that unit coefficients give a pattern of unit variance."""
    line = np.cos(np.pi * np.arange(highest + 1)[:, None] * (np.arange(side) + 0.5) / side)
    line /= np.sqrt((line**2).mean(1, keepdims=True))
    waves = np.einsum("ar,bc->abrc", line, line).reshape(-1, side * side)[1:]
    return (waves / np.sqrt(len(waves))).astype(np.float32)
