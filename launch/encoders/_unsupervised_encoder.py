import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float32
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state, Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from ...errors import BadInput
from ...models import AbstractImageArchitecture, freeze, unlabelled, Views, with_frozen
from ...tasks import as_image_shape, Scaling
from ..options._networks import network as make_network
from ._encoder import evenly_spaced
from ._fitted import IMAGES
from ._trained_rule import TrainedRule


_ROWS = 512
"""Rows that are transformed at once. Always as many, so that a row's features don't depend on how many others came."""


_BEST: Any = "default"  # Any: a type checker would take no path where the default is a name.


@final
class UnsupervisedEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A transformer of scikit-learn: a base model that a meta-trained rule fits without labels.

    Bytes (columns of `uint8`, such as images) are scaled to [0, 1]; other columns are standardised by the mean and
    deviation of the data that it is fitted to, and constant ones become zero. A convolutional base model takes images
    [example, height, width, colour], or their pixels as columns and `image_shape`; images of other numbers than bytes
    are standardised by the mean and deviation of each colour.

    After `steps` batches of random examples the statistics of batch normalisation are frozen, by 5,000 to 10,000
    examples where there are that many, or by 500 to 1,000 images, which have many places: from then on a row's features
    depend on that row alone. Beside them stand the inputs' principal components (the skip path) and where it
    lies in the neighbourhood graph of the examples (the memory).

    What was learned is plain NumPy: `coefs_` and `intercepts_`, the weights [pre, post] and biases of every layer, and
    `views_`, what stands beside the features of the last one. A kernel of size k has weights [k * k * channel, post],
    row by row, column by column, channels last.

    Args:
        rule: name of a rule that comes with Metarule, or path of a rule file or of the folder of a finished run.
        network: layer widths of the base model, features last, such as "64-64-32", or convolutions, such as
            "conv5x5s2x32-3x3s2x64-quadrants"; by default the rule's own.
        activation: relu, leaky-relu, swish, tanh or step; by default the rule's own.
        steps: batches that the rule sees, 0 or more; by default as many as it was meta-trained for.
        batch_size: examples in a batch, 2 or more; by default the rule's own.
        skip: principal components of the inputs, 0 for none; by default the rule's own number.
        memory: anchors of the neighbourhood graph, 0 for none; by default the rule's own number. It is made of at most
            a quarter as many as there are examples.
        image_shape: (height, width) or (height, width, colours) of images whose pixels are the columns;
            for a convolutional base model where examples are rows.
        standardise: whether columns are standardised (bytes never are).
        random_state: decides the base model's start, the order of its inputs, and the batches.
    """

    rule: str | Path
    network: str | None
    activation: str | None
    steps: int | None
    batch_size: int | None
    skip: int | None
    memory: int | None
    image_shape: tuple[int, ...] | None
    standardise: bool
    random_state: int | np.random.RandomState | None

    # Without annotations: scikit-learn wants every value accepted here, and refused by `fit`.
    def __init__(
        self,
        rule=_BEST,
        *,
        network=None,
        activation=None,
        steps=None,
        batch_size=None,
        skip=None,
        memory=None,
        image_shape=None,
        standardise=True,
        random_state=None,
    ):
        self.rule = rule
        self.network = network
        self.activation = activation
        self.steps = steps
        self.batch_size = batch_size
        self.skip = skip
        self.memory = memory
        self.image_shape = image_shape
        self.standardise = standardise
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "UnsupervisedEncoder":
        """Lets the rule train a base model on examples `X`, [example, feature] or images [example, height, width,
        colour]. Labels are ignored.

        Raises `BadInput`, a `ValueError`, for a rule that can't be read, a network that can't be, images for a network
        that takes none and the other way round, and where the base model's weights end up not finite.
        """
        use = TrainedRule.of(self.rule, self.network, self.activation).with_views(self.skip, self.memory)
        shape = self._shape(X, isinstance(use.architecture, AbstractImageArchitecture))
        X = validate_data(self, _as_rows(X))
        shape = (X.shape[1],) if shape is None else shape
        if math.prod(shape) != X.shape[1]:
            raise BadInput(f"Images of shape {list(shape)} have {math.prod(shape)} columns, not {X.shape[1]}.")
        steps = use.steps if self.steps is None else self.steps
        batch_size = use.batch_size if self.batch_size is None else self.batch_size
        if steps < 0 or batch_size < 2:
            raise BadInput(f"steps must be 0 or more and batch_size 2 or more; got {steps} and {batch_size}.")
        random = check_random_state(self.random_state)
        order = random.permutation(X.shape[1]) if len(shape) == 1 else np.arange(X.shape[1])
        self.network_, self.activation_, self.shape_ = use.network, use.activation, shape
        scaling = _scaling(X, shape, self.standardise)
        look = lambda rows: jnp.asarray(rows[:, order]).reshape(-1, *shape)
        carried = _start(use.architecture, use.rule, shape, jr.key(random.randint(2**31)))
        crop_key = jr.key(0) if len(shape) == 1 else jr.key(random.randint(2**31))
        for step in range(steps):  # From the host: data may be larger than a device, and their number compiles nothing.
            rows = random.randint(len(X), size=batch_size)
            carried = _step(use.rule, carried, look(scaling(X[rows])), jr.fold_in(crop_key, step))
        sample = scaling(evenly_spaced(X))
        model = _freeze(carried[0], look(sample if len(shape) == 1 else evenly_spaced(sample, IMAGES)))
        synapses = model.synapses
        first = np.asarray(synapses[0].w)
        if len(shape) == 1:
            first = np.empty_like(first)
            first[order] = synapses[0].w  # As the examples have their columns.
        self.coefs_ = [first, *(np.asarray(synapse.w) for synapse in synapses[1:])]
        self.intercepts_ = [np.asarray(synapse.b) for synapse in synapses]
        if not all(np.isfinite(numbers).all() for numbers in (*self.coefs_, *self.intercepts_)):
            raise BadInput(f"The base model's weights are not finite after {steps} steps: take fewer of them.")
        self.scaling_, self._base_features = scaling, use.architecture.features
        self.views_ = None
        if use.skip or use.memory:
            features = np.concatenate([self._features(sample[at : at + _ROWS]) for at in range(0, len(sample), _ROWS)])
            self.views_ = jax.tree.map(np.asarray, _views(sample, features, use.skip, use.memory))
        return self

    def transform(self, X: Any) -> Float32[np.ndarray, "example feature"]:
        """The features of examples, each by itself."""
        check_is_fitted(self)
        shape = _image_shape(X)
        if shape is not None and as_image_shape(shape) != self.shape_:
            raise BadInput(f"Images of shape {list(shape)}, but it was fitted to examples of {list(self.shape_)}.")
        X = validate_data(self, _as_rows(X), reset=False)
        features = np.empty((len(X), self._n_features_out), np.float32)
        for start in range(0, len(X), _ROWS):
            part = X[start : start + _ROWS]
            x = self.scaling_(part)
            made = self._features(x)
            features[start : start + _ROWS] = made if self.views_ is None else _in_full(_look, self.views_, x, made)
        return features

    def _features(self, x: Float32[np.ndarray, "example input"]) -> Float32[np.ndarray, "example feature"]:
        """The base model's features of up to `_ROWS` examples."""
        form = self.network_, self.activation_, self.shape_
        return _in_full(_base_features, (form, self.coefs_, self.intercepts_), x)

    def _shape(self, X: Any, images: bool) -> tuple[int, ...] | None:
        """The shape of images, as they are given or by `image_shape`; None for rows, for a network that takes rows.

        Raises `BadInput` for images where rows are needed, and the other way round.
        """
        shape = _image_shape(X)
        if not images:
            if shape is not None:
                raise BadInput(
                    f"This network takes rows [example, feature], not images of shape {list(shape)}: give "
                    "X.reshape(len(X), -1), or name convolutions, such as conv6x6s2x64-quadrants."
                )
            return None
        shape = self.image_shape if shape is None else shape
        if shape is None or not 2 <= len(shape) <= 3:
            raise BadInput(
                "A convolutional network takes images [example, height, width, colour], or rows of pixels with their "
                "image_shape, such as (28, 28): give one of both, or name layer widths, such as 64-64-32."
            )
        return as_image_shape(shape)

    @property
    def _n_features_out(self) -> int:
        return self._base_features if self.views_ is None else self.views_.size

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()  # Scikit-learn's way to declare that what comes out is float32.
        assert tags.transformer_tags is not None
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _image_shape(X: Any) -> tuple[int, ...] | None:
    """The shape of each image in an array of images; None for rows, in whatever form."""
    shape = getattr(X, "shape", ())
    return tuple(shape[1:]) if len(shape) > 2 else None


def _as_rows(X: Any) -> Any:
    """Images as rows of pixels; other examples as they are."""
    return X if _image_shape(X) is None else X.reshape(len(X), -1)


def _scaling(X: np.ndarray, shape: tuple[int, ...], standardise: bool) -> Scaling:
    """The scaling of columns: of images one for each colour."""
    if len(shape) == 1:
        return Scaling.of(X, standardise)
    own = Scaling.of(X.reshape(-1, shape[-1]), standardise)
    return Scaling(*(np.tile(each, math.prod(shape[:-1])) for each in (own.offset, own.unit)))


def _in_full(function: Callable[..., Any], given: Any, *parts: np.ndarray) -> np.ndarray:
    """What a function makes of up to `_ROWS` examples: it is always given as many."""
    count = len(parts[0])
    full = [np.concatenate([part, np.zeros((_ROWS - count, part.shape[1]), np.float32)]) for part in parts]
    return np.asarray(function(given, *full))[:count]


@eqx.filter_jit
def _start(architecture, rule, shape, key):
    model = architecture(shape, key)
    return model, rule.init(model)


@eqx.filter_jit
def _step(rule, carried, x, key):
    model, state = carried
    updates, state = rule.update(model, unlabelled(model, lambda _: x, key), state)
    return eqx.apply_updates(model, updates), state


_freeze = eqx.filter_jit(freeze)


@eqx.filter_jit
def _views(x, features, skip, memory):
    return Views.of(x, features, skip=skip, memory=memory)


@eqx.filter_jit
def _look(views, x, features):
    return views(x, features)


@eqx.filter_jit
def _base_features(model, x):
    (network, activation, shape), weights, biases = model
    start = make_network(network, activation, 1.0)(shape, jr.key(0))
    return with_frozen(start, weights, biases)(x.reshape(-1, *shape))[0]
