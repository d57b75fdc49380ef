import abc
from collections.abc import Callable
from typing import Literal, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int, PRNGKeyArray

from ...errors import BadInput
from ...models import Form, freeze, image_by_image, Model
from ...sampling import spread_rows


Statistics = Literal["batch", "frozen", "none"]
"""The examples whose mean and variance batch normalisation uses when features are computed."""
SAMPLE = 40_000
"""Train examples that statistics and views are made of, at most: the more there are, the better their graph."""
_NUMBERS = 2**27
"""In a sample, at most, if that leaves `_LEAST` of its examples: 512 MB."""
_LEAST = 256
"""Examples of a sample, at least, however wide they are."""
IMAGES = 1000
"""Images that statistics over all their places are made of, at most."""
_PIXELS = 2**23
"""And of so many pixels of them, at most, if that leaves fifty images."""
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
    form: Form = eqx.field(static=True, default=Form())
    """What is known of all examples alike."""

    def images(self, rows: Float[Array, "example input"]) -> Float[Array, "example height width colour"]:
        """Examples as images. Raises `BadInput` where they are none."""
        if self.form.image is None:
            raise BadInput(
                "Convolutions and encoders of patches need images, and these examples are rows of numbers: name data "
                "sets of images, or other networks and encoders."
            )
        return rows.reshape(-1, *self.form.image)

    def sample(self) -> Float[Array, "example input"]:
        """Up to 40,000 train examples, spread evenly over all of them."""
        return evenly_spaced(self.train)

    def features(self, model: Model, statistics: Statistics, order: Int[Array, " input"] | None = None) -> Features:
        """A base model's features of the labelled and of the query examples, whose inputs it gets in this order.

        Batch normalisation uses the statistics of these examples together (`batch`), or of the `sample` (`frozen`).
        """
        look = (lambda x: x) if order is None else (lambda x: x[:, order])
        if statistics == "frozen":
            model = freeze(model, look(self.sample()))
        return self.scored(lambda rows: model(look(rows))[0])

    def by_image(
        self, model: Model, statistics: Statistics
    ) -> Callable[[Float[Array, "example input"]], Float[Array, "example feature"]]:
        """The features of any examples by a base model that sees images, a few of them at a time.

        Batch normalisation uses the statistics of the labelled and query images together (`batch`), or of up to 1,000
        train images (`frozen`), which are enough because statistics are over all places.
        """
        seen = evenly_spaced(self.train, IMAGES) if statistics == "frozen" else self._both
        model = freeze(model, self.images(seen))
        return lambda rows: image_by_image(lambda image: model.features(image[None])[0], self.images(rows))

    def scored(self, features: Callable[[Float[Array, "example input"]], Float[Array, "example feature"]]) -> Features:
        """The labelled and the query examples' features, which are computed together."""
        made = features(self._both)
        return made[: len(self.support)], made[len(self.support) :]

    @property
    def _both(self) -> Float[Array, "example input"]:
        return jnp.concatenate([self.support, self.query])


def evenly_spaced(x: _Rows, at_most: int = SAMPLE) -> _Rows:
    """So many rows, spread evenly over all of them, or all."""
    return x if len(x) <= at_most else x[spread_rows(len(x), at_most)]


def spread(
    old: Float32[np.ndarray, "old input"], seen: int, new: Float32[np.ndarray, "new input"], examples: int
) -> Float32[np.ndarray, "both input"]:
    """Of a sample of `seen` examples and one of `examples` more, one that holds the same share of both."""
    share = min(1, most_of(new.shape[1]) / (seen + examples))
    kept = min(round(share * seen), len(old))
    added = min(round(share * (seen + examples)) - kept, len(new))
    return np.concatenate([old[spread_rows(len(old), kept)], new[spread_rows(len(new), added)]])


def most_of(inputs: int) -> int:
    """How many examples of so many inputs are kept for statistics and views, at most: of very wide ones fewer."""
    return min(SAMPLE, max(_NUMBERS // max(inputs, 1), _LEAST))


def images_of(inputs: int) -> int:
    """How many images of so many inputs statistics are made of, at most: of very large ones fewer."""
    return min(IMAGES, max(_PIXELS // max(inputs, 1), 50))


def sample_size(train: int, at_most: int = SAMPLE) -> int:
    """How many of so many train examples `evenly_spaced` holds."""
    return min(train, at_most)


class EncoderCost(NamedTuple):
    """What features cost: training steps, unlabelled examples that they depend on, and the source of statistics.

    `transductive` is whether a test example's features depend on the other test examples by more than the statistics of
    batch normalisation.
    """

    steps: int = 0
    unlabelled: int = 0
    statistics: Statistics = "none"
    transductive: bool = False

    @property
    def other_rows(self) -> bool:
        """Whether a test example's features depend on the other test examples."""
        return self.transductive or self.statistics == "batch"


class AbstractEncoder(eqx.Module):
    """Turns inputs into features, for one seed. It may learn from its `EncoderInputs` only.

    It is traced by JAX: one compiled program makes the features of all seeds.
    """

    @abc.abstractmethod
    def __call__(self, problem: EncoderInputs, key: PRNGKeyArray) -> Features:
        """Features of the labelled and of the query examples."""

    @abc.abstractmethod
    def account(self, train: int) -> EncoderCost:
        """What its features cost where there are so many train examples."""


HostFeatures = Callable[[EncoderInputs, PRNGKeyArray], tuple[np.ndarray, np.ndarray]]
"""From inputs and a key to features [support, feature] and [query, feature]."""


class AbstractHostEncoder(eqx.Module):
    """Turns inputs into features with NumPy, such as a class of scikit-learn does: JAX does not trace it."""

    @abc.abstractmethod
    def fit(self, train: Float32[np.ndarray, "train input"]) -> HostFeatures:
        """What makes features, for one seed at a time. What all seeds share is learned here, from unlabelled inputs."""

    @abc.abstractmethod
    def account(self, train: int) -> EncoderCost:
        """What its features cost where there are so many train examples."""
