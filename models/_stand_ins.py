from collections.abc import Callable
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Float32, PRNGKeyArray

from ..precision import full_precision
from ._patches import Patches, Pool, random_crops
from ._principal import PrincipalComponents


QUADRANTS = 2
"""The usual number of cells along a side, over which what is found in patches is averaged."""

_LARGEST = 8
"""Side in pixels of the usual patch, at most."""

_PLACES = 32
"""Usual places along a side: at least as many where an image has a multiple of so many pixels."""

_COMPONENTS = 32
"""Components of a patch, at most."""

_CROPS = 4
"""Patches of each image that are learned from."""

_AT_ONCE = 8
"""Images that are looked at at once: of more, what is made on the way does not stay in a processor's cache."""


@final
class Window(eqx.Module):
    """Where patches are taken from images, and how what is found in them is pooled: means over a grid's cells."""

    size: int = eqx.field(static=True)
    """Side of a patch."""
    stride: int = eqx.field(static=True, default=1)
    grid: int = eqx.field(static=True, default=QUADRANTS)
    """Cells along a side."""

    @staticmethod
    def usual(shape: tuple[int, int, int]) -> "Window":
        """That for images of this shape: a pixel more than a quarter of a side, at most eight; quadrants.

        There is a patch at every place, but of images of 64 pixels and more at every second, third, ... one.
        """
        side = min(shape[:2])
        return Window(min(-(-side // 4) + 1, _LARGEST, side), max(side // _PLACES, 1))

    def sample(
        self, images: Float[Array, "example height width colour"], key: PRNGKeyArray
    ) -> Float[Array, "patch pixel"]:
        """Patches at random places of images, four of each. Raises `BadInput` for images smaller than a patch."""
        Patches(self.size).places(min(images.shape[1:3]))
        crops = [random_crops(images, self.size, each) for each in jr.split(key, _CROPS)]
        return jnp.concatenate(crops).reshape(_CROPS * len(images), -1)

    @property
    def patches(self) -> Patches:
        """The wire that cuts them out."""
        return Patches(self.size, self.stride)

    def pooled(
        self,
        images: Float[Array, "example height width colour"],
        find: Callable[[Float[Array, "example height width colour"]], Float[Array, "example row column channel"]],
        finer: int | None = None,
    ) -> Float[Array, "example feature"]:
        """What is found in the patches of images, averaged over the grid's cells, and over those of a finer one."""
        pools = [Pool(grid) for grid in (self.grid, finer) if grid]

        def one(image: Float[Array, "height width colour"]) -> Float[Array, " feature"]:
            found = find(image[None])
            return jnp.concatenate([pool.up(found, None)[0] for pool in pools])

        return image_by_image(one, images)


@final
class PatchComponents(eqx.Module):
    """What stands for an image where its pixels would say little: the principal components of its patches, positive
    and negative parts apart, averaged over the cells of a grid. Those of images with colours are whitened, for
    brightness would outweigh colours and edges, and those of other images half-whitened."""

    components: PrincipalComponents
    window: Window
    shape: tuple[int, int, int] = eqx.field(static=True)
    """Of an image: height, width, colours."""

    @staticmethod
    def of(
        x: Float[Array, "example pixel"], shape: tuple[int, int, int], window: Window | None = None
    ) -> "PatchComponents":
        """Those of the patches of images of this shape, in the usual window: 32, or all that a patch has."""
        window = Window.usual(shape) if window is None else window
        patches = window.sample(x.reshape(-1, *shape), jr.key(0))
        whiten = PrincipalComponents.half_whitened if shape[2] == 1 else PrincipalComponents.whitened
        return PatchComponents(whiten(patches, _COMPONENTS), window, shape)

    def __call__(self, x: Float[Array, "example pixel"]) -> Float[Array, "example feature"]:
        """What stands for images, given row by row, column by column, colours last."""
        return self._pooled(x, None)

    def with_detail(
        self, x: Float[Array, "example pixel"], grid: int
    ) -> tuple[Float[Array, "example feature"], Float[Array, "example detail"]]:
        """The same, and all of it again for each cell of a finer grid."""
        found = self._pooled(x, grid)
        own = self.window.grid**2 * 2 * self.components.axes.shape[1]
        return found[:, :own], found[:, own:]

    def _pooled(self, x: Float[Array, "example pixel"], finer: int | None) -> Float[Array, "example feature"]:
        return self.window.pooled(x.reshape(-1, *self.shape), self._halves, finer)

    @full_precision
    def _halves(self, images: Float[Array, "example height width colour"]) -> Float[Array, "example row column half"]:
        mean, axes = self.components.mean, self.components.axes
        return halves(self.window.patches.products(images, axes) - mean @ axes)


@final
class WordWeights(eqx.Module):
    """What stands for a text where its words are inputs, above zero where they occur: the TF-IDF weighting, by which
    rare words count more and long texts no more than short ones (Salton and Buckley, Information Processing and
    Management 1988)."""

    rarity: Float[Array, " word"]

    @classmethod
    def of(cls, x: Float[Array, "text word"]) -> "WordWeights":
        """Those of the words in these texts, as scikit-learn's `TfidfTransformer` has them."""
        return cls(jnp.log((1 + len(x)) / (1 + (x > 0).sum(0))) + 1)

    def __call__(self, x: Float[Array, "text word"]) -> Float[Array, "text word"]:
        """Weights of a length of one for each text, or of zero where it has no word."""
        weights = jnp.where(x > 0, self.rarity, 0)
        return weights * jax.lax.rsqrt(jnp.maximum((weights**2).sum(1, keepdims=True), 1e-30))


def are_words(x: Float32[np.ndarray, "example input"]) -> bool:
    """Whether inputs tell which words are in a text: a hundred or more of two values, the higher one mostly the rarer,
    and as many of them in one example as in another in no data of other kinds."""
    x = x[:: -(-len(x) // 1000)] if len(x) else x
    if x.shape[1] < 100 or len(x) < 2:
        return False
    low, high = x.min(0), x.max(0)
    present = (x > 0).mean(0)
    count = (x > 0).sum(1)
    two = ((x == low) | (x == high)).all(0)
    return bool(two.all() and (present < 0.5).mean() > 0.9 and count.std() > 0.1 * count.mean())


StandIn = PatchComponents | WordWeights
"""What stands in the place of an example's inputs beside the features."""


def stand_in(x: Float[Array, "example input"], image_shape: tuple[int, int, int] | None, words: bool) -> StandIn | None:
    """What is made of these examples for examples like them. None where the inputs stand for themselves, as those of
    images do that have less than four pixels along a side."""
    if words:
        return WordWeights.of(x)
    return None if image_shape is None or min(image_shape[:2]) < 4 else PatchComponents.of(x, image_shape)


def halves(x: Float[Array, "*place component"]) -> Float[Array, "*place half"]:
    """The positive and the negative parts of numbers, side by side."""
    return jax.nn.relu(jnp.concatenate([x, -x], -1))


def image_by_image(
    function: Callable[[Float[Array, "height width colour"]], Float[Array, " feature"]],
    images: Float[Array, "example height width colour"],
) -> Float[Array, "example feature"]:
    """Features of images, of a few at a time: patches of many would take a multiple of their memory."""
    return jax.lax.map(function, images, batch_size=_AT_ONCE)
