import abc
from typing import Literal, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ...models import freeze, Model


Statistics = Literal["batch", "frozen", "none"]
"""The examples whose mean and variance batch normalisation uses when features are computed."""
_Rows = TypeVar("_Rows", jax.Array, np.ndarray)
Features = tuple[Float[Array, "support feature"], Float[Array, "query feature"]]


class EncoderInputs(eqx.Module):
    """The inputs of an encoder for one seed: unlabelled ones, a few with labels, and those that features are scored on.

    The labels of the inputs that features are scored on (`query`) are not among them.
    """

    train: Float[Array, "train input"]
    support: Float[Array, "support input"]
    labels: Int[Array, " support"]
    query: Float[Array, "query input"]
    classes: int = eqx.field(static=True)

    def sample(self) -> Float[Array, "example input"]:
        """Train examples spread evenly over all of them, `sample_size` many."""
        return evenly_spaced(self.train)

    def features(self, model: Model, statistics: Statistics, order: Int[Array, " input"] | None = None) -> Features:
        """A base model's features of the labelled and of the query examples, whose inputs it gets in this order.

        Batch normalisation uses the statistics of these examples together (`batch`), or of the `sample` (`frozen`).
        """
        look = (lambda x: x) if order is None else (lambda x: x[:, order])
        if statistics == "frozen":
            model = freeze(model, look(self.sample()))
        features, _ = model(look(jnp.concatenate([self.support, self.query])))
        return features[: len(self.support)], features[len(self.support) :]


def evenly_spaced(x: _Rows) -> _Rows:
    """Rows spread evenly over all of them, `sample_size` many."""
    return x[:: _stride(len(x))]


def sample_size(train: int) -> int:
    """How many of so many train examples a sample holds: all of them, or 5,000 to 10,000."""
    return len(range(0, train, _stride(train)))


def _stride(train: int) -> int:
    return -(-train // 10_000)


class EncoderCost(NamedTuple):
    """What features cost: training steps, unlabelled examples that they depend on, and the source of statistics."""

    steps: int = 0
    unlabelled: int = 0
    statistics: Statistics = "none"


class AbstractEncoder(eqx.Module):
    """Turns inputs into features, for one seed. It may learn from its `EncoderInputs` only."""

    @abc.abstractmethod
    def __call__(self, problem: EncoderInputs, key: PRNGKeyArray) -> Features:
        """Features of the labelled and of the query examples."""

    @abc.abstractmethod
    def account(self, train: int) -> EncoderCost:
        """What its features cost where there are so many train examples."""
