import math
from collections.abc import Sequence
from numbers import Integral
from typing import Any

from ...errors import BadInput
from ._data_set import as_image_shape
from ._examples import Examples
from ._images import colours_last


def shape_of_images(x: Any, given: Any = None) -> tuple[int, int, int]:
    """Height, width and colours of images [example, height, width] or [example, height, width, colour].

    Of rows of pixels `given` says it, (height, width) or (height, width, colours). Raises `BadInput` for rows without,
    and for what can't be a shape.
    """
    if len(getattr(x, "shape", ())) > 4:
        raise BadInput(f"Inputs of shape {x.shape}: give images as [example, height, width, colour].")
    shape = given if len(getattr(x, "shape", ())) < 3 else colours_last(x).shape[1:]
    if shape is None:
        raise BadInput(
            "A convolutional network takes images [example, height, width, colour], or rows of pixels with their "
            "image_shape, such as (28, 28): give one of both, or name layer widths, such as 64-64-32."
        )
    sides = tuple(shape) if isinstance(shape, Sequence) else ()
    if len(sides) not in (2, 3) or not all(isinstance(side, Integral) and int(side) > 0 for side in sides):
        raise BadInput(f"image_shape must be (height, width) or (height, width, colours); got {shape!r}.")
    return as_image_shape(sides)


def picture(x: Any, given: Any = None) -> tuple[int, int, int] | None:
    """The shape of images, or of those whose rows of pixels have the shape `given`; None for examples that are none.

    Raises `BadInput` for rows of another length.
    """
    if given is None and len(getattr(x, "shape", ())) < 3:
        return None
    shape = shape_of_images(x, given)
    as_pixels(x, shape)
    return shape


def as_pixels(x: Any, shape: tuple[int, int, int]) -> Examples:
    """Returns images of this shape as rows of pixels (row, column, colour); rows of pixels stay as they are.

    Raises `BadInput` for images of another shape, and for rows of another length.
    """
    if len(getattr(x, "shape", ())) > 2:
        found = shape_of_images(x)
        if found != shape:
            raise BadInput(f"Images of shape {list(found)}, but it was fitted to examples of {list(shape)}.")
        return colours_last(x).reshape(len(x), -1)
    if len(getattr(x, "shape", ())) == 2 and x.shape[1] != math.prod(shape):
        raise BadInput(f"Images of shape {list(shape)} have {math.prod(shape)} columns, not {x.shape[1]}.")
    return x
