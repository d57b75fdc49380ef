import abc
from typing import Literal, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ...models import freeze, Model


Statistics = Literal["batch", "frozen", "none"]
"""Where batch normalisation has its statistics from when features are computed."""
_Rows = TypeVar("_Rows", jax.Array, np.ndarray)
Features = tuple[Float[Array, "support feature"], Float[Array, "query feature"]]


class Problem(eqx.Module):
    """What an encoder is given: unlabelled inputs, a few labelled ones, and those that its features are scored on.

    The labels of the last ones are not here.
    """

    train: Float[Array, "train input"]
    support: Float[Array, "support input"]
    labels: Int[Array, " support"]
    query: Float[Array, "query input"]
    classes: int = eqx.field(static=True)

    def sample(self) -> Float[Array, "example input"]:
        """Train examples spread evenly over all of them, `sample_size` many."""
        return spread(self.train)

    def features(self, model: Model, statistics: Statistics, order: Int[Array, " input"] | None = None) -> Features:
        """What a base model makes of the labelled and the query examples; it sees the inputs in this order.

        Batch normalisation uses the statistics of these examples together (`batch`), or of the `sample` (`frozen`).
        """
        look = (lambda x: x) if order is None else (lambda x: x[:, order])
        if statistics == "frozen":
            model = freeze(model, look(self.sample()))
        features, _ = model(look(jnp.concatenate([self.support, self.query])))
        return features[: len(self.support)], features[len(self.support) :]


def spread(x: _Rows) -> _Rows:
    """Rows spread evenly over all of them, `sample_size` many."""
    return x[:: _stride(len(x))]


def sample_size(train: int) -> int:
    """How many of so many train examples a sample holds: all of them, or 5,000 to 10,000."""
    return len(range(0, train, _stride(train)))


def _stride(train: int) -> int:
    return -(-train // 10_000)


class EncoderCost(NamedTuple):
    """What features cost: steps of training, unlabelled examples that had a say, and where statistics were taken."""

    steps: int = 0
    unlabelled: int = 0
    statistics: Statistics = "none"


class AbstractEncoder(eqx.Module):
    """Whatever turns inputs into features for one seed. All that it may learn from is in the problem."""

    @abc.abstractmethod
    def __call__(self, problem: Problem, key: PRNGKeyArray) -> Features:
        """Features of the labelled and of the query examples."""

    @abc.abstractmethod
    def account(self, train: int) -> EncoderCost:
        """What its features cost where there are so many train examples."""
