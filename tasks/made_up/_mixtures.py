import numpy as np

from ..data._data_set import DataSet
from ..data._from_arrays import from_arrays


def mixtures(seed: int) -> DataSet:
    """Draws a table whose classes are clusters in few directions among many columns that say nothing of them.

    Each of 8 classes is a mixture of 3 Gaussians in a space of 8 dimensions, mixed into 24 columns; 48 further columns
    are noise, half of them heavy-tailed and half of them mixed from 6 directions of their own. A fifth of the 4,000
    rows is for test. The seed determines the data.
    """
    generator = np.random.default_rng(seed)
    labels, component = generator.integers(_CLASSES, size=_ROWS), generator.integers(_COMPONENTS, size=_ROWS)
    centres = 2.2 * generator.normal(size=(_CLASSES, _COMPONENTS, _DIRECTIONS))
    spreads = generator.normal(size=(_CLASSES, _COMPONENTS, _DIRECTIONS, _DIRECTIONS)) / np.sqrt(_DIRECTIONS)
    own = np.einsum("rab,rb->ra", spreads[labels, component], generator.normal(size=(_ROWS, _DIRECTIONS)))
    informative = (centres[labels, component] + own) @ generator.normal(size=(_DIRECTIONS, 24))
    heavy = generator.standard_t(3, size=(_ROWS, 24))
    correlated = generator.normal(size=(_ROWS, 6)) @ generator.normal(size=(6, 24))
    x = np.concatenate([informative, heavy, correlated], axis=1)
    x += 0.3 * x.std(0) * generator.normal(size=x.shape)
    return from_arrays("mixtures", (x, labels))


def manifolds(seed: int) -> DataSet:
    """Draws a table whose classes are curved surfaces: smooth functions of two hidden coordinates.

    The 6 classes fold the same square through waves of random direction and phase into 30 columns, each class with
    phases of its own, and some noise lies on top. A fifth of the 4,000 rows is for test. The seed determines
    the data.
    """
    generator = np.random.default_rng(seed)
    classes, waves, columns = 6, 12, 30
    labels = generator.integers(classes, size=_ROWS)
    hidden = generator.uniform(-1, 1, size=(_ROWS, 2))
    directions = 2.5 * generator.normal(size=(2, waves))
    phases = generator.uniform(0, 2 * np.pi, size=(classes, waves))
    x = np.sin(hidden @ directions + phases[labels]) @ generator.normal(size=(waves, columns))
    x += 0.3 * x.std(0) * generator.normal(size=x.shape)
    return from_arrays("manifolds", (x, labels))


_CLASSES = 8
_COMPONENTS = 3
_DIRECTIONS = 8
_ROWS = 4000
