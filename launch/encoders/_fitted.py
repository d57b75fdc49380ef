from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ...models import (
    AbstractArchitecture,
    AbstractImageArchitecture,
    freeze,
    Model,
    stand_in,
    Views,
    ViewSizes,
)
from ...rules import AbstractRule, fit
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
