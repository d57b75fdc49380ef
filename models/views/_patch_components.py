from collections.abc import Callable
from typing import ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ...precision import full_precision
from .._patches import Patches, Pool, random_crops
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

_CONTRAST = 0.5
"""Share of the mean variance of a patch's pixels that is added to each patch's before contrasts are made alike."""

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
        mirrored: bool = False,
    ) -> Float[Array, "example feature"]:
        """What is found in the patches of images, averaged over the grid's cells, and over those of a finer one; of
        `mirrored` images the mean of that and of what is found in their mirror images."""
        pools = [Pool(grid) for grid in (self.grid, finer) if grid]

        def one(image: Float[Array, "height width colour"]) -> Float[Array, " feature"]:
            found = find(image[None])
            return jnp.concatenate([pool.up(found, None)[0] for pool in pools])

        return image_by_image(one, images, mirrored)


@final
class PatchComponents(eqx.Module):
    """What stands for an image where its pixels would say little: the principal components of its patches, positive
    and negative parts apart, averaged over the cells of a grid.

    Patches of images with colours are brought to like brightness and contrast and then whitened, as edges and hues say
    more than those; of other images they are half-whitened. `mirrored` images have the mean of what they and their
    mirror images have.
    """

    LEAST: ClassVar[int] = 4
    """Pixels along a side of an image that has patches to speak of."""

    components: PrincipalComponents
    window: Window
    shape: tuple[int, int, int] = eqx.field(static=True)
    """Of an image: height, width, colours."""
    contrast: Float[Array, ""] | None = None
    """What is added to the variance of a patch's pixels before they are divided by its root; None: they are not."""
    mirrored: bool = eqx.field(static=True, default=False)

    @staticmethod
    def of(
        x: Float[Array, "example pixel"],
        shape: tuple[int, int, int],
        window: Window | None = None,
        mirrored: bool = False,
    ) -> "PatchComponents":
        """Those of the patches of images of this shape, in the usual window: 32, or all that a patch has."""
        window = Window.usual(shape) if window is None else window
        patches = window.sample(x.reshape(-1, *shape), jr.key(0))
        if shape[2] == 1:
            components = PrincipalComponents.half_whitened(patches, _COMPONENTS)
            return PatchComponents(components, window, shape, mirrored=mirrored)
        contrast = _CONTRAST * jnp.maximum(patches.var(1).mean(), 1e-30)
        components = PrincipalComponents.whitened(of_like_contrast(patches, contrast), _COMPONENTS)
        return PatchComponents(components, window, shape, contrast, mirrored)

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

    def handedness(self, x: Float[Array, "example pixel"]) -> Float[Array, "example feature"]:
        """By how much images have more of each feature than they and their mirror images have on average."""
        images = x.reshape(-1, *self.shape)
        return self.window.pooled(images, self._halves) - self.window.pooled(images, self._halves, mirrored=True)

    def _pooled(self, x: Float[Array, "example pixel"], finer: int | None) -> Float[Array, "example feature"]:
        images = x.reshape(-1, *self.shape)
        return self.window.pooled(images, self._halves, finer, self.mirrored)

    @full_precision
    def _halves(self, images: Float[Array, "example height width colour"]) -> Float[Array, "example row column half"]:
        mean, axes = self.components.mean, self.components.axes
        if self.contrast is None:
            along = self.window.patches.products(images, axes)
        else:
            along = self.window.patches.products(images, axes - axes.mean(0))
            along *= jax.lax.rsqrt(self._variance(images) + self.contrast)
        return halves(along - mean @ axes)

    def _variance(self, images: Float[Array, "example height width colour"]) -> Float[Array, "example row column 1"]:
        """Of the pixels of each patch."""
        each = jnp.full((len(self.components.axes), 1), 1 / len(self.components.axes))
        squares, means = (self.window.patches.products(pixels, each) for pixels in (images**2, images))
        return jnp.maximum(squares - means**2, 0)


def halves(x: Float[Array, "*place component"]) -> Float[Array, "*place half"]:
    """The positive and the negative parts of numbers, side by side."""
    return jax.nn.relu(jnp.concatenate([x, -x], -1))


def of_like_contrast(
    patches: Float[Array, "patch pixel"], softening: Float[Array, ""] | float
) -> Float[Array, "patch pixel"]:
    """Patches with a mean of zero, over the root of their variance, to which the softening is added: otherwise those
    without anything in them would be all noise."""
    centred = patches - patches.mean(1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(1, keepdims=True) + softening)


def image_by_image(
    function: Callable[[Float[Array, "height width colour"]], Float[Array, " feature"]],
    images: Float[Array, "example height width colour"],
    mirrored: bool = False,
) -> Float[Array, "example feature"]:
    """Features of images, of a few at a time: patches of many would take a multiple of their memory. `mirrored` images
    have the mean of their own and of their mirror images' features."""
    both = lambda image: (function(image) + function(image[:, ::-1])) / 2
    return jax.lax.map(both if mirrored else function, images, batch_size=_AT_ONCE)
