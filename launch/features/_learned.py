import math
from collections.abc import Callable
from typing import Any, final, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Float32

from ...models import Form, image_by_image, stand_in, Views, ViewSizes, with_frozen
from ..options._networks import network


ROWS = 512
"""Rows that are transformed at once. Always as many, so that a row's features don't depend on how many others came."""


@final
class Learned(NamedTuple):
    """What an encoder has learned of examples, as plain NumPy. It makes their features, each by itself."""

    network: str
    """Text of the base model's architecture."""
    activation: str
    shape: tuple[int, ...]
    """That of an example, as the base model sees it."""
    width: int
    """Features of the base model."""
    coefs: list[np.ndarray]
    intercepts: list[np.ndarray]
    form: Form = Form()
    views: Views | None = None

    def beside(self, sample: Float32[np.ndarray, "example input"], form: Form, sizes: ViewSizes) -> "Learned":
        """The same with the views of these examples, which are of this form, beside the base model's features."""
        if form.categories:
            return self._replace(form=form)
        features = form.both_ways(self._of_base_model)(sample)
        views = _make_views(form, jnp.asarray(sample), jnp.asarray(features), sizes)
        return self._replace(form=form, views=jax.tree.map(np.asarray, views))

    @property
    def size(self) -> int:
        """How many features an example has."""
        return math.prod(self.shape) if self.form.categories else len(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """What each feature is, unless they are the inputs."""
        sizes = {"rule": self.width} if self.views is None else self.views.sizes
        return tuple(f"{part}{place}" for part, size in sizes.items() for place in range(size))

    def __call__(self, x: Float32[np.ndarray, "example input"]) -> Float32[np.ndarray, "example feature"]:
        """The features of prepared examples."""
        if self.form.categories:
            return x
        made = self.form.both_ways(self._of_base_model)(x)
        return made if self.views is None else _in_parts(_look, self.views, x, made)

    def _of_base_model(self, x: Float32[np.ndarray, "example input"]) -> Float32[np.ndarray, "example feature"]:
        given = (self.network, self.activation, self.shape), self.coefs, self.intercepts
        return _in_parts(_frozen_features, given, x)


def _in_parts(
    function: Callable[..., Array], given: Any, *arrays: Float32[np.ndarray, "row _"]
) -> Float32[np.ndarray, "row feature"]:
    """What a function makes of what is given and of rows of arrays, of which it always gets as many, some of zeros."""
    made = []
    for start in range(0, len(arrays[0]), ROWS):
        parts = [array[start : start + ROWS] for array in arrays]
        rows = len(parts[0])
        full = [np.concatenate([part, np.zeros((ROWS - rows, part.shape[1]), np.float32)]) for part in parts]
        made.append(np.asarray(function(given, *full))[:rows])
    return np.concatenate(made)


@eqx.filter_jit
def _frozen_features(
    given: tuple[tuple[str, str, tuple[int, ...]], list[Array], list[Array]], x: Float[Array, "row input"]
) -> Float[Array, "row feature"]:
    """The features of rows by a network whose text, activation, shape of an example, weights and biases are given."""
    (text, activation, shape), weights, biases = given
    model = with_frozen(network(text, activation, 1.0)(shape, jr.key(0)), weights, biases)
    if len(shape) < 3:
        return model.features(x)
    return image_by_image(lambda image: model.features(image[None])[0], x.reshape(-1, *shape))


@eqx.filter_jit
def _make_views(
    form: Form,
    x: Float[Array, "example input"],
    features: Float[Array, "example feature"],
    sizes: ViewSizes,
) -> Views:
    """The views of these examples, which are of this form."""
    return Views.of(x, features, sizes, stand_in(x, form))


@eqx.filter_jit
def _look(
    views: Views, x: Float[Array, "row input"], features: Float[Array, "row feature"]
) -> Float[Array, "row view"]:
    """What the views show of rows."""
    return views(x, features)
