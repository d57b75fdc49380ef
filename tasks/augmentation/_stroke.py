from typing import final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ._augmentation import AbstractAugmentation, sometimes


@final
class Thicken(AbstractAugmentation):
    """Spreads bright pixels to their four neighbours, by a factor that the task draws: thin strokes become thick."""

    probability: float = 0.5

    @property
    def coefficients(self) -> int:
        return 0

    def draw(self, side: int, key: PRNGKeyArray) -> Float[Array, ""]:
        strength, chance = jax.random.uniform(key, (2,))
        return sometimes(self.probability, strength, chance)

    def __call__(
        self, images: Float[Array, "example channel side side"], style: Float[Array, ""], key: PRNGKeyArray
    ) -> tuple[Float[Array, "example channel side side"], Float[Array, "example 0"]]:
        none = jnp.zeros((images.shape[0], 0), images.dtype)
        padded = jnp.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
        rows = jnp.maximum(padded[:, :, :-2, 1:-1], padded[:, :, 2:, 1:-1])
        columns = jnp.maximum(padded[:, :, 1:-1, :-2], padded[:, :, 1:-1, 2:])
        return jnp.maximum(images, style * jnp.maximum(rows, columns)), none


@final
class Blur(AbstractAugmentation):
    """Smooths by a Gaussian whose width the task draws; pixels outside of the image count as zero."""

    width: float = 0.08
    """Largest standard deviation, as a fraction of the side."""
    probability: float = 0.5

    @property
    def coefficients(self) -> int:
        return 0

    def draw(self, side: int, key: PRNGKeyArray) -> Float[Array, "side side"]:
        width, chance = jax.random.uniform(key, (2,))
        width = self.width * side * sometimes(self.probability, 0.3 + 0.7 * width, chance)
        distance = jnp.arange(side)[:, None] - jnp.arange(side)
        weights = jnp.exp(-0.5 * (distance / jnp.maximum(width, 1e-3)) ** 2)
        # Normalised at the middle row alone, so that rows at the edge, which miss neighbours, darken.
        middle = weights[side // 2].sum()
        return weights / middle

    def __call__(
        self, images: Float[Array, "example channel side side"], style: Float[Array, "side side"], key: PRNGKeyArray
    ) -> tuple[Float[Array, "example channel side side"], Float[Array, "example 0"]]:
        none = jnp.zeros((images.shape[0], 0), images.dtype)
        return jnp.minimum(style @ (images @ style.T), 1), none
