from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ...models import AbstractArchitecture, Model
from ...rules import AbstractRule, fit
from ._encoder import AbstractEncoder, EncoderCost, EncoderInputs, Features, sample_size, Statistics


@final
class Fitted(AbstractEncoder):
    """The features of a base model that a rule has changed for a number of steps, on random unlabelled batches.

    A seed decides the base model's initial weights, the batches and, if `permuted`, the order of the inputs: the rule
    was meta-trained on inputs in any order, and is to gain nothing from the one that they happen to have.
    """

    rule: AbstractRule
    architecture: AbstractArchitecture
    steps: Int[Array, ""] | int
    batch_size: int = eqx.field(static=True, default=32)
    statistics: Statistics = eqx.field(static=True, default="batch")
    permuted: bool = eqx.field(static=True, default=True)

    def __call__(self, problem: EncoderInputs, key: PRNGKeyArray) -> Features:
        order_key, model_key, batch_key = jr.split(key, 3)
        inputs = problem.train.shape[1]
        order = jr.permutation(order_key, inputs) if self.permuted else jnp.arange(inputs)
        rule, model = _Reordered(self.rule, order), self.architecture((inputs,), model_key)
        carried = model, rule.init(model)
        model, _ = fit(rule, carried, problem.train, self.steps, batch_size=self.batch_size, key=batch_key)
        return problem.features(model, self.statistics, order)

    def account(self, train: int) -> EncoderCost:
        for_statistics = sample_size(train) if self.statistics == "frozen" else 0
        return EncoderCost(int(self.steps), train if int(self.steps) else for_statistics, self.statistics)


@final
class _Reordered(AbstractRule[Any]):
    """A rule that sees the inputs in another order: batch by batch, for a copy of all of them may not fit."""

    rule: AbstractRule
    order: Int[Array, " input"]

    def init(self, model: Model) -> Any:
        return self.rule.init(model)

    def update(self, model: Model, x: Float[Array, " example *shape"], state: Any) -> tuple[Model, Any]:
        return self.rule.update(model, x[:, self.order], state)
