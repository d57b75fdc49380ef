from typing import final

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ._augmentation import AbstractAugmentation, sometimes


@final
class Affine(AbstractAugmentation):
    """Shifts, rotates, scales and shears. Strengths are the deviations of a uniform law, for the strongest task.

    The map is applied as two shears with scaling, one along rows and one along columns, each a product with weights
    that fall off linearly with distance: images are only multiplied and added, never gathered.
    """

    shift: float = 0.08
    """Of the side."""
    rotation: float = 0.15
    """Radians."""
    scale: float = 0.12
    """Of the logarithm; each axis also varies on its own by half of it."""
    shear: float = 0.12
    probability: float = 0.85
    """Of a task that moves at all."""

    @property
    def coefficients(self) -> int:
        return 6

    def draw(self, side: int, key: PRNGKeyArray) -> Float[Array, ""]:
        strength, chance = jax.random.uniform(key, (2,))
        return sometimes(self.probability, 0.2 + 0.8 * strength, chance)

    def __call__(
        self, images: Float[Array, "example channel side side"], style: Float[Array, ""], key: PRNGKeyArray
    ) -> tuple[Float[Array, "example channel side side"], Float[Array, "example 6"]]:
        side = images.shape[-1]
        limit = 3**0.5  # a uniform law on [-limit, limit] has unit variance
        unit = style * jax.random.uniform(key, (images.shape[0] * 6,), images.dtype, -limit, limit).reshape(-1, 6)
        right, down, turn, size, stretch, slant = unit.T
        angle, slant = self.rotation * turn, self.shear * slant
        wide = jnp.exp(-self.scale * (size + 0.5 * stretch))
        high = jnp.exp(-self.scale * (size - 0.5 * stretch))
        # The inverse map: where in the old image, measured from its centre, a new pixel (row, column) looks.
        row_row, row_column = high * jnp.cos(angle), high * jnp.sin(angle)
        column_row = wide * (slant * jnp.cos(angle) - jnp.sin(angle))
        column_column = wide * (slant * jnp.sin(angle) + jnp.cos(angle))
        row_shift, column_shift = self.shift * side * down, self.shift * side * right

        # First along columns, within each OLD row. An old row r meets new column c at the new row (r - row_column c -
        # row_shift) / row_row; put that into the column's own equation.
        ratio = column_row / row_row
        first = _weights(side, ratio, column_column - ratio * row_column, column_shift - ratio * row_shift)
        images = jnp.einsum("ncrj,nrkj->ncrk", images, first)
        second = _weights(side, row_column, row_row, row_shift)
        return jnp.einsum("ncrk,nksr->ncsk", images, second), unit


def _weights(
    side: int, along: Float[Array, " example"], own: Float[Array, " example"], shift: Float[Array, " example"]
) -> Float[Array, "example line new old"]:
    """Linear interpolation, for each line and new place on it, at the old place `along * line + own * new + shift`."""
    centred = jnp.arange(side) - (side - 1) / 2
    places = along[:, None, None] * centred[:, None] + own[:, None, None] * centred + shift[:, None, None]
    return jnp.maximum(1 - jnp.abs(places[..., None] - centred), 0)
