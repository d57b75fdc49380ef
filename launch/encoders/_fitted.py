from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Float32, Int, PRNGKeyArray

from ...models import (
    AbstractArchitecture,
    AbstractImageArchitecture,
    Form,
    freeze,
    image_by_image,
    Model,
    stand_in,
    unlabelled,
    Views,
    ViewSizes,
    with_frozen,
)
from ...rules import AbstractRule, fit
from ..options._networks import network
from ._encoder import (
    AbstractEncoder,
    EncoderCost,
    EncoderInputs,
    Features,
    IMAGES,
    SAMPLE,
    sample_size,
    Statistics,
)


ROWS = 512
"""Rows that are transformed at once. Always as many, so that a row's features don't depend on how many others came."""


@final
class Fitted(AbstractEncoder):
    """The features of a base model that a rule has changed for a number of steps, on random unlabelled batches.

    A seed decides the base model's initial weights, the batches and, if `permuted`, the order of the inputs: the rule
    was meta-trained on inputs in any order, and is to gain nothing from the one that they happen to have.

    A base model of images gets them in their own order, and is fitted to a crop of each.

    With something beside them the features are `Views`, and statistics are always frozen; of inputs most of which are
    categories they are the inputs themselves.
    """

    rule: AbstractRule
    architecture: AbstractArchitecture
    steps: Int[Array, ""] | int
    batch_size: int = eqx.field(static=True, default=32)
    statistics: Statistics = eqx.field(static=True, default="batch")
    permuted: bool = eqx.field(static=True, default=True)
    beside: ViewSizes = eqx.field(static=True, default=ViewSizes())
    """What stands beside the base model's features."""

    def __call__(self, problem: EncoderInputs, key: PRNGKeyArray) -> Features:
        if self._has_views and problem.form.categories:
            return problem.support, problem.query
        order_key, model_key, batch_key = jr.split(key, 3)
        if isinstance(self.architecture, AbstractImageArchitecture):
            return self._of_images(problem, model_key, batch_key)
        inputs = problem.train.shape[1]
        order = jr.permutation(order_key, inputs) if self.permuted else jnp.arange(inputs)
        rule, model = _Reordered(self.rule, order), self.architecture((inputs,), model_key)
        carried = model, rule.init(model)
        model, _ = fit(rule, carried, problem.train, self.steps, batch_size=self.batch_size, key=batch_key)
        if not self._has_views:
            return problem.features(model, self.statistics, order)
        x = problem.sample()
        model = freeze(model, x[:, order])
        return self._views(problem, lambda rows: model(rows[:, order])[0])

    def _of_images(self, problem: EncoderInputs, model_key: PRNGKeyArray, batch_key: PRNGKeyArray) -> Features:
        """Features of a base model that sees images in their own order."""
        train = problem.images(problem.train)
        model = self.architecture(train.shape[1:], model_key)
        carried = model, self.rule.init(model)
        model, _ = fit(self.rule, carried, train, self.steps, batch_size=self.batch_size, key=batch_key)
        if self._has_views:
            return self._views(problem, problem.by_image(model, "frozen"))
        return problem.scored(problem.by_image(model, self.statistics))

    def _views(self, problem: EncoderInputs, features: Callable[[Array], Array]) -> Features:
        x = problem.sample()
        features = problem.form.both_ways(features)
        views = Views.of(x, features(x), self.beside, stand_in(x, problem.form))
        support, query = (views(rows, features(rows)) for rows in (problem.support, problem.query))
        return support, query

    def account(self, train: int) -> EncoderCost:
        statistics = "frozen" if self._has_views else self.statistics
        images = isinstance(self.architecture, AbstractImageArchitecture) and not self._has_views
        for_statistics = sample_size(train, IMAGES if images else SAMPLE) if statistics == "frozen" else 0
        return EncoderCost(int(self.steps), train if int(self.steps) else for_statistics, statistics)

    @property
    def _has_views(self) -> bool:
        return any(self.beside)


@final
class _Reordered(AbstractRule[Any]):
    """A rule that sees the inputs in another order: batch by batch, for a copy of all of them may not fit."""

    rule: AbstractRule
    order: Int[Array, " input"]

    def init(self, model: Model) -> Any:
        return self.rule.init(model)

    def update(self, model: Model, x: Float[Array, " example *shape"], state: Any) -> tuple[Model, Any]:
        return self.rule.update(model, x[:, self.order], state)


def in_parts(
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
def begun(
    architecture: AbstractArchitecture, rule: AbstractRule, shape: tuple[int, ...], key: PRNGKeyArray
) -> tuple[Model, Any]:
    """A base model for examples of this shape, and the rule's state."""
    model = architecture(shape, key)
    return model, rule.init(model)


@eqx.filter_jit
def advanced(
    rule: AbstractRule, carried: tuple[Model, Any], x: Float[Array, " example *shape"], key: PRNGKeyArray
) -> tuple[Model, Any]:
    """The base model and the rule's state after a step on a batch, of whose images the key draws crops."""
    model, state = carried
    updates, state = rule.update(model, unlabelled(model, lambda _: x, key), state)
    return eqx.apply_updates(model, updates), state


frozen = eqx.filter_jit(freeze)
"""The model with the statistics of these examples."""


@eqx.filter_jit
def frozen_features(
    given: tuple[tuple[str, str, tuple[int, ...]], list[Array], list[Array]], x: Float[Array, "row input"]
) -> Float[Array, "row feature"]:
    """The features of rows by a network whose text, activation, shape of an example, weights and biases are given."""
    (text, activation, shape), weights, biases = given
    model = with_frozen(network(text, activation, 1.0)(shape, jr.key(0)), weights, biases)
    if len(shape) < 3:
        return model.features(x)
    return image_by_image(lambda image: model.features(image[None])[0], x.reshape(-1, *shape))


@eqx.filter_jit
def make_views(
    form: Form,
    x: Float[Array, "example input"],
    features: Float[Array, "example feature"],
    sizes: ViewSizes,
) -> Views:
    """The views of these examples, which are of this form."""
    return Views.of(x, features, sizes, stand_in(x, form))


@eqx.filter_jit
def look(views: Views, x: Float[Array, "row input"], features: Float[Array, "row feature"]) -> Float[Array, "row view"]:
    """What the views show of rows."""
    return views(x, features)
