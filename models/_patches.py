from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..errors import BadInput
from ._wire import AbstractWire, by_unit


Image = Float[Array, "*axes height width unit"]


@final
class Patches(AbstractWire):
    """The values in a square window that slides over an image, in one row for each place: a synapse behind it is a
    convolution without padding. Places count as examples, and the units below as channels.

    Raises `BadInput` when called, for a window that is larger than the image.
    """

    size: int = eqx.field(static=True)
    """Side of the window."""
    stride: int = eqx.field(static=True, default=1)

    def context(self, values: Sequence[Float[Array, "example ... _unit"]]) -> None:
        return None

    def up(self, values: Image, context: None) -> Float[Array, "*axes row column pre"]:
        *axes, height, width, _ = values.shape
        if height == width == self.size:  # One place: as on a crop, where windows need not be cut.
            return values.reshape(*axes, 1, 1, -1)
        rows, columns = (self.stride * (self.places(side) - 1) + 1 for side in (height, width))
        offsets = [(i, j) for i in range(self.size) for j in range(self.size)]
        shifted = lambda i, j: values[..., i : i + rows : self.stride, j : j + columns : self.stride, :]
        return jnp.concatenate([shifted(i, j) for i, j in offsets], -1)

    def fold(self, weights: Float[Array, "pre post"], units: int) -> Float[Array, "unit other"]:
        return by_unit(weights, units)

    def products(
        self, images: Float[Array, "example height width unit"], weights: Float[Array, "pre post"]
    ) -> Float[Array, "example row column post"]:
        """What a synapse makes of the windows, `up(images) @ weights`, in one operation that does not make them: they
        would take most of the time and a multiple of the images' memory."""
        for side in images.shape[1:3]:
            self.places(side)
        kernel = weights.reshape(self.size, self.size, -1, weights.shape[1])
        strides, axes = (self.stride, self.stride), ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(images, kernel, strides, "VALID", dimension_numbers=axes)

    def places(self, side: int) -> int:
        """Places of the window along a side of so many pixels. Raises `BadInput` where it does not fit."""
        if side < self.size:
            raise BadInput(
                f"A kernel of {self.size} x {self.size} does not fit where there are {side} places along a side: take "
                "larger images, or a network with smaller kernels or strides."
            )
        return (side - self.size) // self.stride + 1


@final
class Pool(AbstractWire):
    """Means over the cells of a grid laid over all places, in one row for each example.

    A grid of 1 is the mean over all places, one of 2 that over quadrants. Cells of one grid differ by one place along a
    side at most. Those that are left without a place, as on a crop, are zero.
    """

    grid: int = eqx.field(static=True)
    """Cells along a side."""

    def context(self, values: Sequence[Float[Array, "example ... _unit"]]) -> None:
        return None

    def up(self, values: Image, context: None) -> Float[Array, "*axes pre"]:
        *axes, _, _, units = values.shape
        return self._averaged(self._averaged(values, -3), -2).reshape(*axes, self.grid**2 * units)

    def fold(self, weights: Float[Array, "pre post"], units: int) -> Float[Array, "unit other"]:
        return by_unit(weights, units)

    def _averaged(self, values: Float[Array, "..."], axis: int) -> Float[Array, "..."]:
        """Means over the cells along an axis. Sums of slices take a third of the time of products with a matrix."""
        cells = np.array_split(np.arange(values.shape[axis]), self.grid)
        sums = [jax.lax.slice_in_dim(values, *_ends(cell), axis=axis % values.ndim).sum(axis) for cell in cells]
        return jnp.stack([each / max(len(cell), 1) for each, cell in zip(sums, cells)], axis)


def _ends(cell: Int[np.ndarray, " place"]) -> tuple[int, int]:
    return (int(cell[0]), int(cell[-1]) + 1) if len(cell) else (0, 0)


def random_crops(
    images: Float[Array, "example height width colour"], side: int, key: PRNGKeyArray
) -> Float[Array, "example side side colour"]:
    """A square of this side at a random place of each image."""
    count, height, width, colours = images.shape
    corners = jr.randint(key, (count, 2), 0, jnp.array([height, width]) - side + 1)
    cut = lambda image, corner: jax.lax.dynamic_slice(image, (*corner, 0), (side, side, colours))
    return jax.vmap(cut)(images, corners)
