import functools
from pathlib import Path
from typing import final

import equinox as eqx

from ..data._data_set import DataSet
from ._glyphs import glyphs
from ._shapes import shapes
from ._silhouettes import silhouettes


@final
class Embedded(eqx.Module):
    """Synthetic data for meta-training without any file: sources to train on, and sources to select rules by.

    The two have no character and no shape in common.
    """

    training: tuple[DataSet, ...]
    validation: tuple[DataSet, ...]


@functools.cache  # For grids of runs in one process.
def embedded(side: int = 14, fonts: str | Path | None = None) -> Embedded:
    """Renders three sources of images of this side: glyphs, the same glyphs filled, and random shapes.

    `fonts` is as in `glyphs`.
    """
    drawn = glyphs(side, fonts)
    return Embedded(
        training=(drawn.training, silhouettes(drawn.training), shapes(side, classes=160, seed=0)),
        validation=(drawn.validation, silhouettes(drawn.validation), shapes(side, classes=40, seed=1)),
    )
