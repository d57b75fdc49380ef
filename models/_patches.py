from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

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
        *axes, height, width, units = values.shape
        rows, columns = (jnp.asarray(self._weights(side), values.dtype) for side in (height, width))
        along = jnp.einsum("ch,...hwu->...cwu", rows, values)
        return jnp.einsum("dw,...cwu->...cdu", columns, along).reshape(*axes, self.grid**2 * units)

    def fold(self, weights: Float[Array, "pre post"], units: int) -> Float[Array, "unit other"]:
        return by_unit(weights, units)

    def _weights(self, side: int) -> Float[np.ndarray, "cell place"]:
        cells = np.zeros((self.grid, side), np.float32)
        for cell, places in zip(cells, np.array_split(np.arange(side), self.grid)):
            cell[places] = 1 / max(len(places), 1)
        return cells


def random_crops(
    images: Float[Array, "example height width colour"], side: int, key: PRNGKeyArray
) -> Float[Array, "example side side colour"]:
    """A square of this side at a random place of each image."""
    count, height, width, colours = images.shape
    corners = jr.randint(key, (count, 2), 0, jnp.array([height, width]) - side + 1)
    cut = lambda image, corner: jax.lax.dynamic_slice(image, (*corner, 0), (side, side, colours))
    return jax.vmap(cut)(images, corners)
