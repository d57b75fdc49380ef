from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, UInt8

from ..errors import BadInput
from ._class_index import ClassIndex
from .data._data_set import DataSet
from .data._resize import grey


@final
class Pool(eqx.Module):
    """The train examples of one or more data sets on the device, sorted by source and class."""

    examples: UInt8[Array, "example channel side side"] | Float[Array, "example feature"]
    index: ClassIndex


def join(data_sets: Sequence[DataSet], weights: Sequence[float] | None = None) -> Pool:
    """Puts the train examples of several data sets on the device; each task draws its classes from one of them.

    A source is drawn in proportion to its weight, by default with equal probability. If one source holds grey images,
    coloured images of the others become grey. Raises `BadInput` for sources of different shapes, for wrong weights, and
    for a class with fewer than two examples.
    """
    if not data_sets:
        raise BadInput("No data set to draw tasks from; name at least one.")
    if any(_channels(data_set) == 1 for data_set in data_sets):
        data_sets = [grey(each) if _channels(each) == 3 else each for each in data_sets]
    for data_set in data_sets:
        if data_set.train_x.shape[1:] != data_sets[0].train_x.shape[1:]:
            raise BadInput(
                f"{data_set.name} has examples of shape {data_set.train_x.shape[1:]} but {data_sets[0].name} of "
                f"{data_sets[0].train_x.shape[1:]}; resize them to one size."
            )
        data_set.require(2)
    orders = [_by_class(data_set.train_y) for data_set in data_sets]
    examples = np.concatenate([data_set.train_x[order] for data_set, order in zip(data_sets, orders)])
    if examples.ndim > 2:  # Colour channels come before rows, so that augmentations treat grey and coloured alike.
        examples = examples[:, None] if examples.ndim == 3 else np.moveaxis(examples, 3, 1)
    count = np.concatenate([np.bincount(d.train_y, minlength=d.classes) for d in data_sets]).astype(np.int32)
    classes = np.array([data_set.classes for data_set in data_sets], np.int32)
    weight = np.ones(len(data_sets)) if weights is None else np.asarray(weights, np.float64)
    if weight.shape != classes.shape or not (weight >= 0).all() or not weight.sum() > 0:
        raise BadInput(f"{len(data_sets)} sources need as many weights, none negative and not all zero.")
    index = ClassIndex(
        # `jnp.asarray` would compile a program for every shape.
        first=jax.device_put((np.cumsum(count) - count).astype(np.int32)),
        count=jax.device_put(count),
        first_class=jax.device_put((np.cumsum(classes) - classes).astype(np.int32)),
        classes=jax.device_put(classes),
        weight=jax.device_put((weight / weight.sum()).astype(np.float32)),
    )
    return Pool(jax.device_put(examples), index)


def _channels(data_set: DataSet) -> int:
    return {3: 1, 4: 3}.get(data_set.train_x.ndim, 0)


def _by_class(labels: np.ndarray) -> np.ndarray:
    # Shuffled within classes, because `draw_distinct` draws from arcs of neighbours.
    shuffled = np.random.default_rng(0).permutation(len(labels))
    return shuffled[np.argsort(labels[shuffled], kind="stable")]
