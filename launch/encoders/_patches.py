from collections.abc import Callable
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ...errors import BadInput
from ...models import lloyd, Patches, Pool, principal_axes, random_crops, triangle
from ...precision import full_precision
from ._encoder import AbstractEncoder, EncoderCost, EncoderInputs, Features, image_by_image, sample_size


_CROPS = 4
"""Patches of each image that are learned from."""


@final
class Window(eqx.Module):
    """Where patches are taken from images, and how what is found in them is pooled: means over a grid's cells."""

    size: int = eqx.field(static=True, default=6)
    stride: int = eqx.field(static=True, default=2)
    grid: int = eqx.field(static=True, default=2)

    def channels(self, features: int, multiple: int = 1) -> int:
        """Numbers to find at each place, for so many features. Raises `BadInput` where that can't be."""
        channels, rest = divmod(features, self.grid**2)
        if rest or not channels or channels % multiple:
            raise BadInput(
                f"Of patches that are pooled in {self.grid**2} cells the number of features must be a multiple of "
                f"{self.grid**2 * multiple}; got {features}: write such a number behind the encoder's name."
            )
        return channels

    def sample(self, problem: EncoderInputs, key: PRNGKeyArray) -> Float[Array, "patch pixel"]:
        """Patches at random places of 5,000 to 10,000 train images, or of all where there are fewer."""
        images = problem.images(problem.sample())
        Patches(self.size).places(min(images.shape[1:3]))
        crops = [random_crops(images, self.size, each) for each in jr.split(key, _CROPS)]
        return jnp.concatenate(crops).reshape(_CROPS * len(images), -1)


@final
class PatchKMeans(AbstractEncoder):
    """The triangle encoding of an image's patches, averaged over a grid's cells (Coates, Lee and Ng, AISTATS 2011).

    Centroids come from so many of Lloyd's steps on random patches, begun at some of them. Where it is `whitened`,
    patches are first brought to a mean of zero and a deviation of about one and then whitened, as in that paper.
    """

    window: Window
    centroids: int = eqx.field(static=True)
    whitened: bool = eqx.field(static=True, default=False)
    steps: Int[Array, ""] | int = 25

    def __call__(self, problem: EncoderInputs, key: PRNGKeyArray) -> Features:
        patch_key, start_key = jr.split(key)
        patches = self.window.sample(problem, patch_key)
        whitening = _Whitening.of(patches) if self.whitened else None
        seen = lambda patches: patches if whitening is None else whitening(patches)
        x = seen(patches)
        start = x[jr.choice(start_key, len(x), (self.centroids,), replace=len(x) < self.centroids)]
        centroids = lloyd(x, start, self.steps)
        return _pooled(problem, self.window, lambda patches: triangle(seen(patches), centroids))

    def account(self, train: int) -> EncoderCost:
        return EncoderCost(int(self.steps), sample_size(train))


@final
class PatchPCA(AbstractEncoder):
    """Principal components of an image's patches, positive and negative parts apart, averaged over a grid's cells."""

    window: Window
    components: int = eqx.field(static=True)

    def __call__(self, problem: EncoderInputs, key: PRNGKeyArray) -> Features:
        patches = self.window.sample(problem, key)
        mean = patches.mean(0)
        axes = principal_axes(patches, mean, self.components)

        def halves(patches: Float[Array, "patch pixel"]) -> Float[Array, "patch channel"]:
            along = (patches - mean) @ axes
            return jax.nn.relu(jnp.concatenate([along, -along], 1))

        return _pooled(problem, self.window, halves)

    def account(self, train: int) -> EncoderCost:
        return EncoderCost(unlabelled=sample_size(train))


def _pooled(
    problem: EncoderInputs,
    window: Window,
    encode: Callable[[Float[Array, "patch pixel"]], Float[Array, "patch channel"]],
) -> Features:
    """What is found in the patches of the labelled and query images, pooled."""
    patches, pool = Patches(window.size, window.stride), Pool(window.grid)

    def one(image: Float[Array, "height width colour"]) -> Float[Array, " feature"]:
        found = patches.up(image, None)
        return pool.up(encode(found.reshape(-1, found.shape[-1])).reshape(*found.shape[:-1], -1), None)

    support, query = (image_by_image(one, problem.images(rows)) for rows in (problem.support, problem.query))
    return support, query


@final
class _Whitening(eqx.Module):
    """Brings each patch to mean zero and deviation one, and then all directions of patches to like variances."""

    mean: Float[Array, " pixel"]
    matrix: Float[Array, "pixel pixel"]

    @classmethod
    @full_precision
    def of(cls, patches: Float[Array, "patch pixel"]) -> "_Whitening":
        x = _normalised(patches)
        mean = x.mean(0)
        variances, axes = jnp.linalg.eigh((x - mean).T @ (x - mean) / len(x))
        return cls(mean, axes / jnp.sqrt(jnp.maximum(variances, 0) + 0.1) @ axes.T)

    def __call__(self, patches: Float[Array, "patch pixel"]) -> Float[Array, "patch pixel"]:
        return (_normalised(patches) - self.mean) @ self.matrix


def _normalised(patches: Float[Array, "patch pixel"]) -> Float[Array, "patch pixel"]:
    """The paper adds 10 to the variance of pixels from 0 to 255: here they are from 0 to 1."""
    centred = patches - patches.mean(1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(1, keepdims=True) + 10 / 255**2)
