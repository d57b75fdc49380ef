import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import rich.console
import rich.progress
from jaxtyping import Float32
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state, Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from ...errors import BadInput
from ...models import check_mirroring, Form, Mirroring
from ...tasks import as_examples, as_pixels, chunks, count, Frame, picture, Preparation, shape_of_images, Sparse
from ..caches._compilations import cache_compilations
from ._encoder import evenly_spaced, images_of, most_of, spread
from ._fitted import advanced, begun, frozen, frozen_features, in_parts, look, make_views, ROWS
from ._trained_rule import TrainedRule


_BEST: Any = "default"  # Any: a type checker would take no path where the default is a name.
_AUTO: Any = "auto"  # Any: nor this text in place of `Mirroring`.
_check: Any = validate_data  # Any: scikit-learn says that it takes a text by default.
_Draw = Callable[[Any], Float32[np.ndarray, "row input"]]


@final
class UnsupervisedEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A transformer of scikit-learn: a base model that a meta-trained rule fits without labels.

    Examples are rows of an array, of a memory map or of a sparse matrix of scipy, a data frame of pandas or polars or a
    table of Arrow with columns of any kind, a list of texts, or images [example, side, side] with or without colours.
    `Preparation` and `Columns` in `metarule.tasks` say how they become inputs; it is fitted with the rest, and is
    `preparation_`. Bytes are scaled to [0, 1], other columns standardised, missing values filled. A convolution takes
    images [example, height, width] or [example, height, width, colour] of any size, or their pixels as columns and
    `image_shape`; other numbers than bytes are standardised by the mean and deviation of each colour.

    After `steps` batches of random examples the statistics of batch normalisation are frozen, by 20,000 to 40,000
    examples where there are that many, or by up to 1,000 images, which have many places: from then on a row's features
    depend on that row alone. Beside them stand the inputs' principal components (the skip path), how near their
    centroids are (prototypes), and where they lie in the neighbourhood graph of the examples (the memory). For these
    three, the principal components of an image's patches stand in place of its pixels. Of a table most of whose inputs
    are categories the features are the inputs themselves. `inputs_` says what the inputs were taken for.

    What was learned is plain NumPy: `coefs_` and `intercepts_`, the weights [pre, post] and biases of every layer, and
    `views_`, what stands beside the features of the last one. A kernel of size k has weights [k * k * channel, post],
    row by row, column by column, channels last. `form_` is the network, its activation and the shape of an example,
    `n_iter_` the number of batches. Compiled programs are kept on disk: only the first process has to wait for them.

    Args:
        rule: name of a rule that comes with Metarule, path of a rule file, or folder of a finished run.
        network: layer widths of the base model, features last, such as "64-64-32", or convolutions, such as
            "conv5x5s2x32-3x3s2x64-quadrants"; by default the rule's own for such examples.
        activation: relu, leaky-relu, swish, tanh or step; by default the rule's own.
        steps: batches that the rule sees, 0 or more; by default as many as it was meta-trained for.
        batch_size: examples in a batch, 2 or more; by default the rule's own.
        skip: principal components of the inputs, 0 for none; by default the rule's own number, as of the next two.
        prototypes: centroids of the inputs, 0 for none; a quarter as many as there are examples at most.
        memory: anchors of the neighbourhood graph, 0 for none; a quarter as many as there are examples at most.
        image_shape: (height, width) or (height, width, colours) of images whose pixels are the columns.
        mirrored: whether images get the same features as their mirror images, if anything stands beside the base
            model's: "yes", "no" (where left and right are to be told apart), or "auto", where both are as likely.
        standardise: whether columns are standardised (bytes never are).
        random_state: decides the base model's start, the order of its inputs, and the batches.
        verbose: whether progress is shown, and what was done to the data.
    """

    rule: str | Path
    network: str | None
    activation: str | None
    steps: int | None
    batch_size: int | None
    skip: int | None
    prototypes: int | None
    memory: int | None
    image_shape: tuple[int, ...] | None
    mirrored: Mirroring
    standardise: bool
    random_state: int | np.random.RandomState | None
    verbose: bool

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
        prototypes=None,
        memory=None,
        image_shape=None,
        mirrored=_AUTO,
        standardise=True,
        random_state=None,
        verbose=False,
    ):
        self.rule = rule
        self.network = network
        self.activation = activation
        self.steps = steps
        self.batch_size = batch_size
        self.skip = skip
        self.prototypes = prototypes
        self.memory = memory
        self.image_shape = image_shape
        self.mirrored = mirrored
        self.standardise = standardise
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> "UnsupervisedEncoder":
        """Lets the rule train a base model on examples `X`. Labels are ignored.

        Raises `BadInput`, a `ValueError`, for data that can't be prepared, a rule that can't be read, a network that
        can't be, and where the base model's weights end up not finite.
        """
        X, use = self._begin(X)
        draw = self.preparation_.drawn_from(X)
        self._learn(use, draw, count(X), use.steps)
        self._settle(use)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> "UnsupervisedEncoder":
        """Goes on training with examples `X`, such as the next part of data that do not fit into memory.

        Takes random batches of `X` until it has looked at as many examples as `X` has; `steps` has no say, `n_iter_` is
        how many there were in all. The first call, unless `fit` came before, prepares everything: scaling, categories
        and words are those of its examples, so they should be many and alike the later ones. Statistics and views are
        made anew when features are next asked for, of up to 40,000 examples spread over those of all calls.
        """
        if "n_iter_" in vars(self):
            X, use = self._examples(X, self._images, reset=False), self._use()
        else:
            X, use = self._begin(X)
        draw = self.preparation_.drawn_from(X)
        self._learn(use, draw, count(X), -(-count(X) // use.batch_size))
        return self

    def transform(self, X: Any) -> Float32[np.ndarray, "example feature"]:
        """The features of examples, each by itself.

        Raises `BadInput` for data unlike those that it was fitted to, and where a feature is not finite.
        """
        check_is_fitted(self)
        X = self._examples(X, self._images, reset=False)
        if self._unsettled:
            self._settle(self._use())
        features = np.empty((count(X), self._n_features_out), np.float32)
        for start, part in zip(range(0, len(features), ROWS), chunks(X, ROWS)):
            x = self.preparation_(part)
            made = self.inputs_.both_ways(self._features)(x)
            features[start : start + ROWS] = made if self.views_ is None else in_parts(look, self.views_, x, made)
        if not np.isfinite(features).all():
            row = int(np.flatnonzero(~np.isfinite(features).all(1))[0])
            raise BadInput(f"Features of row {row} are not finite: its values are too far from those fitted to.")
        return features

    def _examples(self, X: Any, images: tuple[int, int, int] | None, reset: bool) -> Any:
        """The examples as they are prepared, checked as scikit-learn does; images of this shape as rows of pixels."""
        if images is not None:
            return _check(self, as_pixels(X, images), reset=reset, accept_sparse="csr")
        given = as_examples(X)
        framed = isinstance(given, Frame) if reset else self.preparation_.columns is not None
        if isinstance(given, list) and given and isinstance(given[0], str):
            # Texts, of which scikit-learn's checks know nothing.
            if reset:
                self.n_features_in_ = 1
            elif not framed:
                raise BadInput("These are texts, but the encoder was fitted to numbers.")
            return given
        if isinstance(given, Frame) and framed:
            _check(self, given, reset=reset, skip_check_array=True)
            return given
        finite = isinstance(given, Sparse) or "allow-nan"
        X = _check(self, given, reset=reset, accept_sparse="csr", ensure_all_finite=finite)
        return self.preparation_.columns.frame(X) if framed and self.preparation_.columns is not None else X

    def _use(self) -> TrainedRule:
        use = TrainedRule.of(self.rule, self.network, self.activation).seeing(self._picture)
        use = use.with_views(self.skip, self.prototypes, self.memory)
        return use.with_batches(self.steps, self.batch_size)

    def _begin(self, X: Any) -> tuple[Any, TrainedRule]:
        """Prepares for these examples, and starts a base model."""
        check_mirroring(self.mirrored)
        self._picture = picture(X, self.image_shape)
        use = self._use()
        images = shape_of_images(X, self.image_shape) if use.sees_images else None
        X = self._examples(X, images, reset=True)
        folder, random = cache_compilations(), check_random_state(self.random_state)
        self.preparation_ = Preparation.of(X, self.standardise, images)
        if self.preparation_.notices:
            warnings.warn("; ".join(self.preparation_.notices) + ".", stacklevel=3)
        inputs = self.preparation_.inputs
        self._random, self._order = random, random.permutation(inputs) if images is None else np.arange(inputs)
        self._key, self._crops = random.randint(2**31), 0 if images is None else random.randint(2**31)
        self.shape_, self._width = images or (inputs,), use.architecture.features
        self.form_ = use.network, use.activation, self.shape_
        self._picture = self._picture if math.prod(self._picture or ()) == inputs else None
        self._leaves: list[Any] = []
        self._sample, self._seen, self.n_iter_ = np.zeros((0, inputs), np.float32), 0, 0
        self._tell(f"{count(X):,} examples of {inputs:,} inputs for {use.network}; programs in {folder or 'memory'}.")
        return X, use

    def _learn(self, use: TrainedRule, draw: _Draw, examples: int, steps: int) -> None:
        """Takes steps on batches of these examples, and keeps some of them to make statistics of."""
        start = time.perf_counter()
        carried = begun(use.architecture, use.rule, self.shape_, jr.key(self._key))
        if self._leaves:
            carried = jax.tree.unflatten(jax.tree.structure(carried), self._leaves)
        shown = rich.progress.Progress(console=rich.console.Console(stderr=True), disable=not self.verbose)
        with shown as progress:
            for step in progress.track(range(steps), description="steps"):
                # From the host: data may be larger than a device, and their number compiles nothing.
                rows = self._random.randint(examples, size=use.batch_size)
                key = jr.fold_in(jr.key(self._crops), self.n_iter_ + step)
                carried = advanced(use.rule, carried, self._seen_as(draw(rows)), key)
                if self.verbose:  # Otherwise the steps are only on their way.
                    jax.block_until_ready(carried)
        self._leaves = [np.asarray(leaf) if eqx.is_array(leaf) else leaf for leaf in jax.tree.leaves(carried)]
        some = evenly_spaced(np.arange(examples), most_of(self._sample.shape[1]))
        self._sample = spread(self._sample, self._seen, draw(some), examples)
        self._seen, self.n_iter_, self._unsettled = self._seen + examples, self.n_iter_ + steps, True
        self._tell(f"{steps:,} steps in {time.perf_counter() - start:.1f} s.")

    def _settle(self, use: TrainedRule) -> None:
        """Freezes the statistics and makes the views."""
        structure = jax.tree.structure(begun(use.architecture, use.rule, self.shape_, jr.key(self._key)))
        carried = jax.tree.unflatten(structure, self._leaves)
        sample, images = self._sample, self._images
        model = frozen(
            carried[0], self._seen_as(sample if images is None else evenly_spaced(sample, images_of(sample.shape[1])))
        )
        synapses = model.synapses
        first = np.asarray(synapses[0].w)
        if images is None:
            first = np.empty_like(first)
            first[self._order] = synapses[0].w  # As the examples have their columns.
        self.coefs_ = [first, *(np.asarray(synapse.w) for synapse in synapses[1:])]
        self.intercepts_ = [np.asarray(synapse.b) for synapse in synapses]
        if not all(np.isfinite(numbers).all() for numbers in (*self.coefs_, *self.intercepts_)):
            raise BadInput(f"The base model's weights are not finite after {self.n_iter_} steps: take fewer of them.")
        views, self.inputs_ = None, Form.of(sample, self._picture, self.mirrored) if any(use.beside) else Form()
        if self.inputs_.mirrored:
            self._tell("Images and their mirror images get the same features.")
        if self.inputs_.categories:
            self._tell("Most columns are categories: features are the columns themselves.")
        elif any(use.beside):
            both = jnp.asarray(sample), jnp.asarray(self.inputs_.both_ways(self._features)(sample))
            views = make_views(self.inputs_, *both, use.beside)
        self.views_, self._unsettled = jax.tree.map(np.asarray, views), False

    def _seen_as(self, x: Float32[np.ndarray, "example input"]) -> jax.Array:
        """Examples as the base model sees them while it learns."""
        return jnp.asarray(x[:, self._order]).reshape(-1, *self.shape_)

    def _features(self, x: Float32[np.ndarray, "example input"]) -> Float32[np.ndarray, "example feature"]:
        """The base model's features of prepared examples, or these themselves."""
        if self.inputs_.categories:
            return x
        return in_parts(frozen_features, (self.form_, self.coefs_, self.intercepts_), x)

    def _tell(self, sentence: str) -> None:
        if self.verbose:
            rich.console.Console(stderr=True).print(sentence, markup=False, highlight=False, soft_wrap=True)

    @property
    def _images(self) -> tuple[int, int, int] | None:
        """The shape of an example that is an image."""
        return self.shape_ if len(self.shape_) == 3 else None

    @property
    def _n_features_out(self) -> int:
        width = math.prod(self.shape_) if self.inputs_.categories else self._width
        return width if self.views_ is None else self.views_.size

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()  # Scikit-learn's way to declare what goes in, and that float32 comes out.
        tags.input_tags.allow_nan = tags.input_tags.sparse = True
        assert tags.transformer_tags is not None
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
