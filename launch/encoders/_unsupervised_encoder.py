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
from ...models import freeze, Views
from ...tasks import Scaling
from ..options._networks import ACTIVATIONS
from ._encoder import evenly_spaced
from ._trained_rule import TrainedRule


_ROWS = 512
"""Rows that are transformed at once. Always as many, so that a row's features don't depend on how many others came."""


_BEST: Any = "default"  # Any: a type checker would take no path where the default is a name.


@final
class UnsupervisedEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A transformer of scikit-learn: a base model that a meta-trained rule fits without labels.

    Bytes (columns of `uint8`, such as images) are scaled to [0, 1]; other columns are standardised by the mean and
    deviation of the data that it is fitted to, and constant ones become zero. After `steps` batches of random examples
    the statistics of batch normalisation are frozen, by 5,000 to 10,000 examples where there are that many: from
    then on a row's features depend on that row alone. Beside them stand the inputs' principal components (the skip
    path) and where it lies in the neighbourhood graph of the examples (the memory).

    What was learned is plain NumPy: `coefs_` and `intercepts_`, the weights [pre, post] and biases of every layer, and
    `views_`, what stands beside the features of the last one.

    Args:
        rule: name of a rule that comes with Metarule, or path of a rule file or of the folder of a finished run.
        network: layer widths of the base model, features last, such as "64-64-32"; by default the rule's own.
        activation: relu, leaky-relu, swish, tanh or step; by default the rule's own.
        steps: batches that the rule sees, 0 or more; by default as many as it was meta-trained for.
        batch_size: examples in a batch, 2 or more; by default the rule's own.
        skip: principal components of the inputs, 0 for none; by default the rule's own number.
        memory: anchors of the neighbourhood graph, 0 for none; by default the rule's own number. It is made of at most
            a quarter as many as there are examples.
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
        self.standardise = standardise
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "UnsupervisedEncoder":
        """Lets the rule train a base model on examples `X`, [example, feature]. Labels are ignored.

        Raises `BadInput`, a `ValueError`, for a rule that can't be read, a network that can't be, and where the base
        model's weights end up not finite.
        """
        X = validate_data(self, X)
        use = TrainedRule.of(self.rule, self.network, self.activation).with_views(self.skip, self.memory)
        steps = use.steps if self.steps is None else self.steps
        batch_size = use.batch_size if self.batch_size is None else self.batch_size
        if steps < 0 or batch_size < 2:
            raise BadInput(f"steps must be 0 or more and batch_size 2 or more; got {steps} and {batch_size}.")
        random = check_random_state(self.random_state)
        scaling, order = Scaling.of(X, self.standardise), random.permutation(X.shape[1])
        carried = _start(use.architecture, use.rule, len(order), jr.key(random.randint(2**31)))
        for _ in range(steps):  # From the host: data may be larger than a device, and their number compiles nothing.
            rows = random.randint(len(X), size=batch_size)
            carried = _step(use.rule, carried, scaling(X[rows])[:, order])
        sample = scaling(evenly_spaced(X))
        model = _freeze(carried[0], jnp.asarray(sample[:, order]))
        synapses = model.synapses
        first = np.empty_like(synapses[0].w)
        first[order] = synapses[0].w  # As the examples have their columns.
        self.coefs_ = [first, *(np.asarray(synapse.w) for synapse in synapses[1:])]
        self.intercepts_ = [np.asarray(synapse.b) for synapse in synapses]
        if not all(np.isfinite(numbers).all() for numbers in (*self.coefs_, *self.intercepts_)):
            raise BadInput(f"The base model's weights are not finite after {steps} steps: take fewer of them.")
        self.scaling_, self.activation_ = scaling, use.activation
        features = _features(self.coefs_, self.intercepts_, self.activation_, sample)
        views = _views(sample, features, use.skip, use.memory) if use.skip or use.memory else None
        self.views_ = jax.tree.map(np.asarray, views)
        return self

    def transform(self, X: Any) -> Float32[np.ndarray, "example feature"]:
        """The features of examples, each by itself.

        Raises `BadInput` for an example so far outside of what was fitted that its features are not finite.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        features = np.empty((len(X), self._n_features_out), np.float32)
        for start in range(0, len(X), _ROWS):
            part = X[start : start + _ROWS]
            x = np.zeros((_ROWS, X.shape[1]), np.float32)
            with np.errstate(over="ignore", invalid="ignore"):  # What overflows is told below.
                x[: len(part)] = self.scaling_(part)
            made = _features(self.coefs_, self.intercepts_, self.activation_, x)
            made = made if self.views_ is None else _look(self.views_, x, made)
            features[start : start + _ROWS] = np.asarray(made)[: len(part)]
        if not (finite := np.isfinite(features).all(1)).all():
            raise BadInput(
                f"The features of row {int(finite.argmin())} are not finite: it lies too far outside of the "
                "data that the encoder was fitted to; leave it out, or clip its values."
            )
        return features

    @property
    def _n_features_out(self) -> int:
        return len(self.intercepts_[-1]) if self.views_ is None else self.views_.size

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()  # Scikit-learn's way to declare that what comes out is float32.
        assert tags.transformer_tags is not None
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


@eqx.filter_jit
def _start(architecture, rule, inputs, key):
    model = architecture((inputs,), key)
    return model, rule.init(model)


@eqx.filter_jit
def _step(rule, carried, x):
    model, state = carried
    updates, state = rule.update(model, x, state)
    return eqx.apply_updates(model, updates), state


_freeze = eqx.filter_jit(freeze)


@eqx.filter_jit
def _views(x, features, skip, memory):
    return Views.of(x, features, skip=skip, memory=memory)


@eqx.filter_jit
def _look(views, x, features):
    return views(x, features)


@eqx.filter_jit
def _features(weights, biases, activation, y):
    for weight, bias in zip(weights, biases):
        y = ACTIVATIONS[activation](y @ weight + bias)
    return y
