from typing import final

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ..data._data_set import DataSet


@final
class ShapeClasses(eqx.Module):
    """Prototypes of shape classes, as coefficients of waves.

    `even` and `odd` are those of the logarithm of the contour's radius, symmetric about the vertical and not. `aspect`
    is the ratio of height to width, `level` the brightness, and `texture` the coefficients of the brightness inside.
    """

    even: Float[np.ndarray, "class harmonic"]
    odd: Float[np.ndarray, "class harmonic"]
    aspect: Float[np.ndarray, " class"]
    level: Float[np.ndarray, " class"]
    texture: Float[np.ndarray, "class row_wave column_wave"]


def shapes(side: int, classes: int, seed: int) -> DataSet:
    """Draws a data set of random grey shapes with soft edges; each class has a contour and an inner pattern.

    Half of the classes are symmetric about the vertical, like most things that people make. Within a class, contour and
    pattern vary by about a third of their variation between classes. The seed determines the data.
    """
    generator = np.random.default_rng(seed)
    prototypes = _prototypes(classes, generator)
    labels = np.repeat(np.arange(classes, dtype=np.int64), _EXAMPLES)
    chunks = np.array_split(labels, -(-len(labels) // 1000))
    images = np.concatenate([_draw(prototypes, chunk, side, generator) for chunk in chunks])
    names = tuple(f"shape {seed}.{index}" for index in range(classes))
    pixels = np.rint(255 * np.clip(images, 0, 1)).astype(np.uint8)
    return DataSet(f"shapes{side}", "image", names, pixels, labels, pixels[:0], labels[:0])


_EXAMPLES = 40
_HARMONICS = 6
_WAVES = 4


def _prototypes(classes: int, generator: np.random.Generator) -> ShapeClasses:
    fall = 0.45 / np.arange(1, _HARMONICS + 1)  # Contours are smooth: high harmonics are small.
    symmetric = generator.random((classes, 1)) < 0.5
    texture = generator.normal(size=(classes, _WAVES, _WAVES)) * 0.5 * generator.random((classes, 1, 1))
    return ShapeClasses(
        odd=np.where(symmetric, 0, fall * generator.normal(size=(classes, _HARMONICS))),
        even=fall * generator.normal(size=(classes, _HARMONICS)),
        aspect=np.exp(0.35 * generator.normal(size=classes)),
        level=generator.uniform(0.35, 1.0, classes),
        texture=texture,
    )


def _draw(
    prototypes: ShapeClasses, labels: np.ndarray, side: int, generator: np.random.Generator
) -> Float[np.ndarray, "example side side"]:
    count = len(labels)
    fall = 0.15 / np.arange(1, _HARMONICS + 1)
    odd = prototypes.odd[labels] + fall * generator.normal(size=(count, _HARMONICS))
    even = prototypes.even[labels] + fall * generator.normal(size=(count, _HARMONICS))
    aspect = (prototypes.aspect[labels] * np.exp(0.12 * generator.normal(size=count)))[:, None, None]
    texture = prototypes.texture[labels] + 0.12 * generator.normal(size=(count, _WAVES, _WAVES))

    coordinate = (np.arange(side) + 0.5) / side * 2 - 1
    row, column = coordinate[:, None] / np.sqrt(aspect), coordinate * np.sqrt(aspect)
    radius, angle = np.hypot(row, column), np.arctan2(row, column)
    harmonic = np.arange(1, _HARMONICS + 1)[:, None, None]
    turned = harmonic * (angle - np.pi / 2)[:, None]  # Angles from the vertical.
    waves = np.einsum("eh,ehrc->erc", even, np.cos(turned)) + np.einsum("eh,ehrc->erc", odd, np.sin(turned))
    contour = np.minimum(0.6 * np.exp(waves), 0.95)
    inside = 1 / (1 + np.exp(np.clip((radius - contour) * side / 0.8, -30, 30)))
    line = np.cos(np.pi * np.arange(_WAVES)[:, None] * (coordinate + 1) / 2)
    pattern = np.einsum("eab,ar,bc->erc", texture, line, line)
    level = prototypes.level[labels] * np.exp(0.1 * generator.normal(size=count))
    return inside * np.clip(level[:, None, None] * (1 + pattern), 0.05, 1)
