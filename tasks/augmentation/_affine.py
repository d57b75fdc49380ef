import functools
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ._augmentation import AbstractAugmentation, sometimes


@final
class Affine(AbstractAugmentation):
    """Shifts, rotates, scales and shears. Fields are standard deviations of uniform samples, for the strongest task.

    The map is applied as two shears with scaling, one along columns and one along rows, each by linear interpolation.
    """

    shift: float = 0.08
    """As a fraction of the side."""
    rotation: float = 0.15
    """In radians."""
    scale: float = 0.12
    """Of the logarithm of the size; that of the aspect ratio varies as much."""
    shear: float = 0.12
    probability: float = 0.85
    """The probability that a task transforms its images at all."""

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
        limit = 3**0.5  # The uniform distribution on [-limit, limit] has unit variance.
        unit = style * jax.random.uniform(key, (images.shape[0] * 6,), images.dtype, -limit, limit).reshape(-1, 6)
        right, down, turn, size, aspect, slant = unit.T
        angle, slant = self.rotation * turn, self.shear * slant
        wide = jnp.exp(-self.scale * (size + 0.5 * aspect))
        high = jnp.exp(-self.scale * (size - 0.5 * aspect))
        # The inverse map: from a new pixel (row, column) to its place in the old image, from the centre.
        row_row, row_column = high * jnp.cos(angle), high * jnp.sin(angle)
        column_row = wide * (slant * jnp.cos(angle) - jnp.sin(angle))
        column_column = wide * (slant * jnp.sin(angle) + jnp.cos(angle))
        row_shift, column_shift = self.shift * side * down, self.shift * side * right

        # First along columns, within each OLD row. An old row r meets new column c at the new row (r - row_column c -
        # row_shift) / row_row; put that into the column's own equation.
        ratio = column_row / row_row
        first = ratio, column_column - ratio * row_column, column_shift - ratio * row_shift
        second = row_column, row_row, row_shift
        # As a loop: otherwise XLA's CPU compiler fuses both and recomputes the first shear for each term of the second.
        maps = jax.tree.map(lambda *numbers: jnp.stack(numbers), first, second)
        lines, _ = jax.lax.scan(
            lambda lines, line_map: (_sheared(lines, line_map), None), images.transpose(1, 2, 3, 0), maps
        )
        return lines.transpose(3, 0, 1, 2), unit


def _sheared(
    lines: Float[Array, "channel line place example"], line_map: tuple[Float[Array, " example"], ...]
) -> Float[Array, "channel place line example"]:
    """Interpolates each line linearly at the old places `along * line + own * new + shift`, one for each new place.

    Returns the lines with the axes `line` and `place` swapped, so that the next call works on the other axis.
    """
    # A sum over old places with weights, without a gather. A matrix product for every line of every example takes up to
    # sixteen times as long on a CPU.
    along, own, shift = line_map
    side = lines.shape[1]
    centred = np.arange(side, dtype=lines.dtype) - (side - 1) / 2
    places = along * centred[:, None, None] + own * centred[:, None] + shift
    terms = (jnp.maximum(1 - jnp.abs(places - old), 0) * lines[:, :, index, None] for index, old in enumerate(centred))
    return functools.reduce(jnp.add, terms).swapaxes(1, 2)
