import math
from collections.abc import Callable
from typing import Any, final, get_args, Literal, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int

from ...errors import BadInput
from ...sampling import spread_rows
from ._patch_components import PatchComponents


Mirroring = Literal["auto", "yes", "no"]
"""Whether images get the same features as their mirror images; `auto`: where both are as likely."""

_Rows = TypeVar("_Rows", jax.Array, np.ndarray)

_MOST_CATEGORIES = 128
"""Inputs of a table of categories, at most: of more, as of images in black and white, features are better."""

_VALUES = 10
"""Values of a category, at most."""

_ROWS = 1000
"""Rows by which words and categories are told, at most."""

_IMAGES = 2000
"""Images by which mirror images are judged, at most."""

_FEWEST = 200
"""Images that can be judged."""

_SHRINKAGE = 0.1
"""Share of the mean variance that is added to each, so that few images have a discriminant, too."""

_TOLD_APART = 0.6
"""Share of mirror images that may be told from images. Of photographs half are, which is chance, of characters two
thirds and more, of photographs with half-transparent digits upon them three fifths."""


@final
class Form(NamedTuple):
    """What is known of all examples alike, and decides what stands for them beside a base model's features."""

    image: tuple[int, int, int] | None = None
    """Of an image whose pixels, row by row, are an example: height, width, colours. None if there are no images."""
    words: bool = False
    """Whether the inputs tell which words are in a text."""
    mirrored: bool = False
    """Whether images are as likely the other way round, so that both are to have the same features."""
    categories: bool = False
    """Whether most inputs are categories of a table, of which features do harm more often than not."""

    @staticmethod
    def of(
        x: Float32[np.ndarray, "example input"],
        image: tuple[int, int, int] | None,
        mirrored: Mirroring = "auto",
        texts: bool = False,
    ) -> "Form":
        """That of these examples, which are images of this shape or none; if they are known to be `texts`, of words."""
        if image is None:
            words = texts or are_words(x)
            return Form(words=words, categories=not words and are_categories(x))
        if min(image[:2]) < PatchComponents.LEAST:
            return Form(image)
        return Form(image, mirrored=are_mirrored(x, image) if mirrored == "auto" else mirrored == "yes")

    def both_ways(self, features: Callable[[_Rows], _Rows]) -> Callable[[_Rows], _Rows]:
        """What makes features of examples: of `mirrored` images the mean of an image's and of its mirror image's."""
        if self.image is None or not self.mirrored:
            return features
        pixels = mirror_image(self.image)
        return lambda rows: (features(rows) + features(rows[:, pixels])) / 2


def check_mirroring(given: Any) -> None:
    """Raises `BadInput` for what does not say whether images are mirrored."""
    if given not in get_args(Mirroring):
        raise BadInput(f"mirrored must be auto, yes or no; got {given!r}.")


def are_words(x: Float32[np.ndarray, "example input"]) -> bool:
    """Whether inputs tell which words are in a text.

    They are a hundred or more, each of two values, nine tenths of which are above zero in less than half of the
    examples; and how many are above zero varies from example to example, by a tenth of the mean or more. In a table of
    categories, one input for each, as many are in every example.
    """
    if x.shape[1] < 100 or len(x) < 2:
        return False
    x = _some(x, _ROWS)
    low, high = x.min(0), x.max(0)
    present = (x > 0).mean(0)
    count = (x > 0).sum(1)
    two = ((x == low) | (x == high)).all(0)
    return bool(two.all() and (present < 0.5).mean() > 0.9 and count.std() > 0.1 * count.mean())


def are_categories(x: Float32[np.ndarray, "example input"]) -> bool:
    """Whether most of the inputs that vary have ten values at most, each in ten examples or more on average.

    No example has more than 128 inputs then: of many, such as pixels in black and white, features are better.
    """
    if x.shape[1] > _MOST_CATEGORIES or len(x) < 2:
        return False
    x = _some(x, _ROWS)
    values = np.array([len(np.unique(column)) for column in x.T])
    few = values[values > 1] <= min(_VALUES, len(x) // _VALUES)
    return bool(len(few) and few.mean() > 0.5)


def are_mirrored(x: Float32[np.ndarray, "example pixel"], shape: tuple[int, int, int]) -> bool:
    """Whether images of this shape are as likely with left and right exchanged, as photographs are.

    A linear discriminant of what patches have is made for half of up to 2,000 images and their mirror images, and tells
    the two apart for the other half. That it can't must be sure: two standard errors are added to the share that it
    gets right, and fewer than 200 images are never mirrored.
    """
    if len(x) < _FEWEST:
        return False
    x = _some(x, _IMAGES)
    apart = np.asarray(_handedness(jnp.asarray(x), shape), np.float64)
    known, tried = apart[::2], apart[1::2]
    scatter = known.T @ known / len(known)
    scatter += (_SHRINKAGE * np.trace(scatter) / len(scatter) + 1e-30) * np.eye(len(scatter))
    side = tried @ np.linalg.solve(scatter, known.mean(0))
    return bool(((side > 0).mean() + (side >= 0).mean()) / 2 + 1 / np.sqrt(len(side)) < _TOLD_APART)


def mirror_image(shape: tuple[int, ...]) -> Int[np.ndarray, " pixel"]:
    """Which pixel of an image of this shape stands in each pixel's place in its mirror image."""
    return np.arange(math.prod(shape)).reshape(shape)[:, ::-1].reshape(-1)


def _some(x: Float32[np.ndarray, "example input"], at_most: int) -> Float32[np.ndarray, "some input"]:
    return x[spread_rows(len(x), min(len(x), at_most))]


@eqx.filter_jit
def _handedness(x: Float[Array, "example pixel"], shape: tuple[int, int, int]) -> Float[Array, "example feature"]:
    return PatchComponents.of(x, shape).handedness(x)
