import numpy as np
from jaxtyping import Float32

from ..data._data_set import DataSet
from ..data._from_arrays import from_arrays
from ..data._resize import resize
from ._glyphs import glyphs


_SIDE = 28


def handwriting(side: int, characters: range, per_class: int, seed: int) -> DataSet:
    """Draws a data set of bent characters, one class each: curved clusters, as handwriting is.

    The characters are those that `glyphs` holds for validation, from the one in the most fonts on; `characters` says
    which of them. An example is the rendering in a random font, turned, slanted, stretched and shifted, and bent by a
    smooth random displacement of its pixels (Simard, Steinkraus and Platt 2003). A fifth of the examples of each class
    is for test. The seed determines the data.
    """
    drawn = glyphs(_SIDE).validation
    chosen = np.argsort(-np.bincount(drawn.train_y), kind="stable")[list(characters)]
    generator = np.random.default_rng(seed)
    labels = np.repeat(chosen, per_class)
    members = {character: np.flatnonzero(drawn.train_y == character) for character in chosen}
    renderings = drawn.train_x[[generator.choice(members[character]) for character in labels]]
    images = resize(_bent(renderings.astype(np.float32), generator), side)
    return from_arrays(f"handwriting{len(chosen)}", (images, np.array(drawn.class_names)[labels]))


def _bent(
    images: Float32[np.ndarray, "example side side"], generator: np.random.Generator
) -> Float32[np.ndarray, "example side side"]:
    from scipy.ndimage import gaussian_filter, map_coordinates

    count, side, _ = images.shape
    turn, slant = 0.12 * generator.normal(size=(2, count))
    tall, wide = np.exp(0.12 * generator.normal(size=(2, count)))
    # Inverse maps: from a new pixel to its place in the old image, from the centre.
    maps = np.stack([tall * np.cos(turn), tall * np.sin(turn), wide * (slant - np.sin(turn)), wide * np.cos(turn)], 1)
    centred = np.indices((side, side)).reshape(2, -1) - (side - 1) / 2
    affine = (maps.reshape(count, 2, 2) @ centred).reshape(count, 2, side, side)
    bend = gaussian_filter(generator.normal(size=affine.shape), (0, 0, _SMOOTH, _SMOOTH), mode="constant")
    bend *= _DISTANCE * (2 * np.sqrt(np.pi) * _SMOOTH)  # A field smoothed so has this much less deviation.
    shift = _SHIFT * generator.normal(size=(count, 2, 1, 1))
    places = affine + bend + shift + (side - 1) / 2
    return np.stack([map_coordinates(image, own, order=1) for image, own in zip(images, places)])


_SMOOTH = 4.0
"""Width in pixels of the Gaussian that smooths a displacement."""
_DISTANCE = 1.1
"""Standard deviation in pixels of a displacement."""
_SHIFT = 1.0
"""Standard deviation in pixels of an example's shift."""
