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
    """What can be meta-trained on without any file: sources to train on, and others to choose checkpoints by.

    No character and no shape stands in both.
    """

    training: tuple[DataSet, ...]
    validation: tuple[DataSet, ...]


@functools.cache  # A grid of runs draws them once.
def embedded(side: int = 14, fonts: str | Path | None = None) -> Embedded:
    """Glyphs as strokes, the same glyphs filled, and made-up shapes, each a source of its own; images of this side."""
    drawn = glyphs(side, fonts)
    return Embedded(
        training=(drawn.training, silhouettes(drawn.training), shapes(side, classes=160, seed=0)),
        validation=(drawn.validation, silhouettes(drawn.validation), shapes(side, classes=40, seed=1)),
    )
