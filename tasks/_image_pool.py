from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8

from ._bad_input import BadInput
from ._data_set import DataSet


@final
class ImagePool(eqx.Module):
    """Images of several sources on the device, sorted by source and class: the data that every task draws from.

    Class `c` owns the images from `first[c]` on, `count[c]` of them; source `s` owns the classes from
    `first_class[s]` on, `classes[s]` of them, and is chosen in proportion to `weight[s]`.
    """

    images: UInt8[Array, "image channel side side"]
    first: Int[Array, " class"]
    count: Int[Array, " class"]
    first_class: Int[Array, " source"]
    classes: Int[Array, " source"]
    weight: Float[Array, " source"]

    def draw_classes(self, ways: int, key: PRNGKeyArray) -> Int[Array, " way"]:
        """Chooses a source, then `ways` different classes of it."""
        source_key, class_key = jax.random.split(key)
        source = jax.random.categorical(source_key, jnp.log(self.weight))
        position = jnp.arange(self.first.shape[0]) - self.first_class[source]
        lot = jax.random.uniform(class_key, position.shape)
        own = (position >= 0) & (position < self.classes[source])
        return jax.lax.top_k(jnp.where(own, lot, -1.0), ways)[1]

    def draw_images(self, classes: Int[Array, " example"], key: PRNGKeyArray) -> Int[Array, " example"]:
        """One image for each entry, independently."""
        first, count = self.first[classes], self.count[classes]
        lot = jax.random.uniform(key, first.shape)
        return first + jnp.minimum((lot * count).astype(first.dtype), count - 1)

    def draw_distinct(self, classes: Int[Array, " way"], per_class: int, key: PRNGKeyArray) -> Int[Array, "way draw"]:
        """`per_class` different images of each class, where it has so many.

        The images of a class, laid on a ring that starts at a random place, are cut into `per_class` arcs and one is
        drawn from each: no sorting, no rejection, and every image is equally likely.
        """
        first, count = self.first[classes][:, None], self.count[classes][:, None]
        lots = jax.random.uniform(key, (classes.shape[0], per_class + 1))
        arc = jnp.arange(per_class)
        low, high = arc * count // per_class, (arc + 1) * count // per_class
        within = jnp.clip((lots[:, 1:] * (high - low)).astype(first.dtype), 0, jnp.maximum(high - low - 1, 0))
        start = (lots[:, :1] * count).astype(first.dtype)
        return first + (start + low + within) % count


def join(data_sets: Sequence[DataSet], weights: Sequence[float] | None = None) -> ImagePool:
    """Puts the train images of several data sets on the device; a task will draw its classes from one of them.

    A source is chosen in proportion to its weight, by default equally. The images of a class are shuffled once, so that
    neighbours on disk are not neighbours in a draw. Raises `BadInput` for vectors, for images of different shapes, and
    for a class with fewer than two images.
    """
    if not data_sets:
        raise BadInput("No data set to draw tasks from; name at least one.")
    for data_set in data_sets:
        if data_set.kind != "image":
            raise BadInput(f"{data_set.name} holds {data_set.kind} vectors, not images.")
        if data_set.train_x.shape[1:] != data_sets[0].train_x.shape[1:]:
            raise BadInput(
                f"{data_set.name} has images of shape {data_set.train_x.shape[1:]} but {data_sets[0].name} of "
                f"{data_sets[0].train_x.shape[1:]}; resize them to one size."
            )
        data_set.require(2)
    orders = [_by_class(data_set.train_y) for data_set in data_sets]
    images = np.concatenate([data_set.train_x[order] for data_set, order in zip(data_sets, orders)])
    images = images[:, None] if images.ndim == 3 else np.ascontiguousarray(np.moveaxis(images, 3, 1))
    count = np.concatenate([np.bincount(d.train_y, minlength=d.classes) for d in data_sets]).astype(np.int32)
    classes = np.array([data_set.classes for data_set in data_sets], np.int32)
    weight = np.ones(len(data_sets)) if weights is None else np.asarray(weights, np.float64)
    if weight.shape != classes.shape or not (weight >= 0).all() or not weight.sum() > 0:
        raise BadInput(f"{len(data_sets)} sources need as many weights, none negative and not all zero.")
    return ImagePool(
        images=jnp.asarray(images),
        first=jnp.asarray(np.cumsum(count) - count, jnp.int32),
        count=jnp.asarray(count),
        first_class=jnp.asarray(np.cumsum(classes) - classes, jnp.int32),
        classes=jnp.asarray(classes),
        weight=jnp.asarray(weight / weight.sum(), jnp.float32),
    )


def _by_class(labels: np.ndarray) -> np.ndarray:
    shuffled = np.random.default_rng(0).permutation(len(labels))
    return shuffled[np.argsort(labels[shuffled], kind="stable")]
