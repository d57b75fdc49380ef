import functools
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ._augmentation import AbstractAugmentation, sometimes


@final
class Affine(AbstractAugmentation):
    """Shifts, rotates, scales and shears. Strengths are the deviations of a uniform law, for the strongest task.

    The map is applied as two shears with scaling, one along rows and one along columns, each a sum with weights that
    fall off linearly with distance: images are only multiplied and added, never gathered.
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
        first = ratio, column_column - ratio * row_column, column_shift - ratio * row_shift
        second = row_column, row_row, row_shift
        # As a loop, between whose turns XLA's CPU compiler can't compute the first anew for each term of the second.
        laws = jax.tree.map(lambda *numbers: jnp.stack(numbers), first, second)
        lines, _ = jax.lax.scan(lambda lines, law: (_sheared(lines, law), None), images.transpose(1, 2, 3, 0), laws)
        return lines.transpose(3, 0, 1, 2), unit


def _sheared(
    lines: Float[Array, "channel line place example"], law: tuple[Float[Array, " example"], ...]
) -> Float[Array, "channel place line example"]:
    """Linear interpolation, for each line and new place on it, at the old place `along * line + own * new + shift`;
    lines and places then change roles.

    A sum over old places, each with its weight. One product of matrices for every line of every example takes up to
    sixteen times as long on a CPU.
    """
    along, own, shift = law
    side = lines.shape[1]
    centred = np.arange(side, dtype=lines.dtype) - (side - 1) / 2
    places = along * centred[:, None, None] + own * centred[:, None] + shift
    terms = (jnp.maximum(1 - jnp.abs(places - old), 0) * lines[:, :, index, None] for index, old in enumerate(centred))
    return functools.reduce(jnp.add, terms).swapaxes(1, 2)
