from collections.abc import Callable
from typing import final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ...errors import BadInput
from ...models import halves, lloyd, of_like_contrast, PrincipalComponents, QUADRANTS, triangle, Window
from ...precision import full_precision
from ._encoder import AbstractEncoder, EncoderCost, EncoderInputs, Features, sample_size


_SOFTENING = 10 / 255**2
"""Added to the variance of a patch's pixels: in the paper 10, where pixels are from 0 to 255."""


def channels_of(window: Window | None, features: int, multiple: int = 1) -> int:
    """Numbers to find at each place, for so many features. Raises `BadInput` where that can't be."""
    cells = (QUADRANTS if window is None else window.grid) ** 2
    channels, rest = divmod(features, cells)
    if rest or not channels or channels % multiple:
        raise BadInput(
            f"Of patches that are pooled in {cells} cells the number of features must be a multiple of "
            f"{cells * multiple}; got {features}: write such a number behind the encoder's name."
        )
    return channels


@final
class PatchKMeans(AbstractEncoder):
    """The triangle encoding of an image's patches, averaged over a grid's cells (Coates, Lee and Ng, AISTATS 2011).

    Centroids come from so many of Lloyd's steps on random patches, begun at some of them. Without a `window` patches
    are taken in the usual one for the images. Where it is `whitened`,
    patches are first brought to a mean of zero and a deviation of about one and then whitened, as in that paper.
    """

    window: Window | None
    centroids: int = eqx.field(static=True)
    whitened: bool = eqx.field(static=True, default=False)
    steps: Int[Array, ""] | int = 25

    def __call__(self, problem: EncoderInputs, key: PRNGKeyArray) -> Features:
        patch_key, start_key = jr.split(key)
        window = _window(problem, self.window)
        patches = window.sample(problem.images(problem.sample()), patch_key)
        whitening = _Whitening.of(patches) if self.whitened else None
        seen = lambda patches: patches if whitening is None else whitening(patches)
        x = seen(patches)
        start = x[jr.choice(start_key, len(x), (self.centroids,), replace=len(x) < self.centroids)]
        centroids = lloyd(x, start, self.steps)
        return _pooled(problem, window, lambda patches: triangle(seen(patches), centroids))

    def account(self, train: int) -> EncoderCost:
        return EncoderCost(int(self.steps), sample_size(train))


@final
class PatchPCA(AbstractEncoder):
    """Principal components of an image's patches, positive and negative parts apart, averaged over a grid's cells.

    Without a `window` patches are taken in the usual one for the images.
    """

    window: Window | None
    components: int = eqx.field(static=True)

    def __call__(self, problem: EncoderInputs, key: PRNGKeyArray) -> Features:
        window = _window(problem, self.window)
        patches = window.sample(problem.images(problem.sample()), key)
        components = PrincipalComponents.of(patches, self.components)
        return _pooled(problem, window, lambda patches: halves(components(patches)))

    def account(self, train: int) -> EncoderCost:
        return EncoderCost(unlabelled=sample_size(train))


def _window(problem: EncoderInputs, given: Window | None) -> Window:
    _, height, width, colours = problem.images(problem.support).shape
    return Window.usual((height, width, colours)) if given is None else given


def _pooled(
    problem: EncoderInputs,
    window: Window,
    encode: Callable[[Float[Array, "patch pixel"]], Float[Array, "patch channel"]],
) -> Features:
    """What is found in the patches of the labelled and query images, pooled."""

    def find(images: Float[Array, "example height width colour"]) -> Float[Array, "example row column channel"]:
        places = window.patches.up(images, None)
        return encode(places.reshape(-1, places.shape[-1])).reshape(*places.shape[:-1], -1)

    support, query = (window.pooled(problem.images(rows), find) for rows in (problem.support, problem.query))
    return support, query


@final
class _Whitening(eqx.Module):
    """Brings each patch to mean zero and deviation one, and then all directions of patches to like variances."""

    mean: Float[Array, " pixel"]
    matrix: Float[Array, "pixel pixel"]

    @classmethod
    @full_precision
    def of(cls, patches: Float[Array, "patch pixel"]) -> "_Whitening":
        x = of_like_contrast(patches, _SOFTENING)
        mean = x.mean(0)
        variances, axes = jnp.linalg.eigh((x - mean).T @ (x - mean) / len(x))
        return cls(mean, axes / jnp.sqrt(jnp.maximum(variances, 0) + 0.1) @ axes.T)

    def __call__(self, patches: Float[Array, "patch pixel"]) -> Float[Array, "patch pixel"]:
        return (of_like_contrast(patches, _SOFTENING) - self.mean) @ self.matrix
