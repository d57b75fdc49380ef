import math
import time
import warnings
from numbers import Integral
from pathlib import Path
from typing import Any, final

import numpy as np
import rich.console
import rich.progress
from jaxtyping import Float32
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state, Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from ...errors import BadInput
from ...models import check_mirroring, Form, Mirroring, Views
from ...precision import in_single_precision
from ...tasks import as_examples, as_pixels, chunks, count, Frame, picture, Preparation, shape_of_images, Sparse
from ..caches._compilations import cache_compilations
from ..encoders._trained_rule import TrainedRule
from ._learned import Learned, ROWS
from ._learner import Draw, Learner


_BEST: Any = "default"  # Any: a type checker would take no path where the default is a name.
_AUTO: Any = "auto"  # Any: nor this text in place of `Mirroring`.
_check: Any = validate_data  # Any: scikit-learn says that it takes a text by default.


@final
class UnsupervisedEncoder(TransformerMixin, BaseEstimator):
    """A transformer of scikit-learn: a base model that a meta-trained rule fits without labels.

    Examples are rows of an array, of a memory map or of a sparse matrix of scipy, a data frame of pandas or polars or a
    table of Arrow with columns of any kind, texts in a list or a column, or images [example, height, width] or
    [example, height, width, colour]; of rows of pixels `image_shape` tells that they are images. `Preparation` and
    `Columns` in `metarule.tasks` say how they become inputs: bytes and pixels are scaled to [0, 1], other columns
    standardised, missing values filled. The fitted preparation is `preparation_`.

    After `steps` batches of random examples the statistics of batch normalisation are frozen, by up to 40,000 examples,
    or by up to 1,000 images, which have many places: a row's features depend on that row alone. Beside them stand the
    inputs' principal components (the skip path), how near their centroids are (prototypes), and where they lie in the
    neighbourhood graph of the examples (the memory). For these three, the principal components of an image's patches
    stand in place of its pixels. Of a table most of whose inputs are categories the features are the inputs themselves,
    no steps are taken, and a warning says so. `form_` says what the inputs were taken for.

    What was learned is plain NumPy: `coefs_` and `intercepts_`, the weights [pre, post] and biases of every layer, and
    `views_`, what stands beside the features of the last one. A kernel of size k has weights [k * k * channel, post],
    row by row, column by column, channels last. `network_` and `activation_` are the base model's, `shape_` is that of
    an example as the base model sees it, and `n_iter_` the number of batches. Compiled programs are kept on disk: only
    the first process has to wait for them.

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

    @in_single_precision
    def fit(self, X: Any, y: Any = None) -> "UnsupervisedEncoder":
        """Lets the rule train a base model on examples `X`. Labels are ignored.

        Raises `BadInput`, a `ValueError`, for data that can't be prepared, a rule that can't be read, a network that
        can't be, and where the base model's weights end up not finite.
        """
        X, use = self._begin(X)
        draw = self.preparation_.drawn_from(X)
        self._learner.keep(draw, count(X))
        form = self._form(use)
        self._learn(use, draw, count(X), 0 if form.categories else use.steps)
        self._learned = self._learner.learned(use, form)
        self._in_parts = False
        return self

    @in_single_precision
    def partial_fit(self, X: Any, y: Any = None) -> "UnsupervisedEncoder":
        """Goes on training with examples `X`, such as the next part of data that do not fit into memory.

        Takes random batches of `X` until it has looked at as many examples as `X` has; `steps` has no say, `n_iter_` is
        how many there were in all. The first call, unless `fit` came before, prepares everything: scaling, categories
        and words are those of its examples, so they should be many and alike the later ones. Statistics and views are
        made anew when features are next asked for, of up to 40,000 examples of all calls. A pickle holds these, unless
        `fit` alone made the encoder: unpickled, that one can't go on. Raises `BadInput` for that, and as `fit` does.
        """
        if self.__sklearn_is_fitted__():
            if self._learner is None:
                raise BadInput("This encoder was pickled after fit, without examples to go on from: fit it anew.")
            X, use = self._examples(as_examples(X), reset=False), self._use()
        else:
            X, use = self._begin(X)
        draw = self.preparation_.drawn_from(X)
        self._learn(use, draw, count(X), -(-count(X) // use.batch_size))
        self._learner.keep(draw, count(X))
        self._in_parts = True
        return self

    @in_single_precision
    def transform(self, X: Any) -> Float32[np.ndarray, "example feature"]:
        """The features of examples, each by itself.

        Raises `BadInput` for data unlike those that it was fitted to, and where a feature is not finite.
        """
        learned = self._now()
        X = self._examples(as_examples(X), reset=False)
        features = np.empty((count(X), learned.size), np.float32)
        for start, part in zip(range(0, len(features), ROWS), chunks(X, ROWS)):
            features[start : start + ROWS] = learned(self.preparation_(part))
        if not np.isfinite(features).all():
            row = int(np.flatnonzero(~np.isfinite(features).all(1))[0])
            raise BadInput(f"Features of row {row} are not finite: its values are too far from those fitted to.")
        return features

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """What the features are, each with a number: of the `rule`, a `component` of the skip path (of an image, of its
        `detail`, too), nearness to a `prototype`, or of the `memory`. Those of categories have their columns' names."""
        learned = self._now()
        return np.array(self.preparation_.names if learned.form.categories else learned.names, object)

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The base model's weights [pre, post], layer by layer."""
        return self._now().coefs

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The base model's biases [post], layer by layer."""
        return self._now().intercepts

    @property
    def form_(self) -> Form:
        """What the examples were taken for: images, words, categories."""
        return self._now().form

    @property
    def views_(self) -> Views | None:
        """What stands beside the base model's features, if anything does."""
        return self._now().views

    def _examples(self, given: Any, reset: bool) -> Any:
        """What `as_examples` returned, checked as scikit-learn does, and in the form in which it is prepared: images as
        rows of pixels."""
        if self._pixels is not None:
            return _check(self, as_pixels(given, self._pixels), reset=reset, accept_sparse="csr")
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
        """The rule with the base model, steps and sizes that were chosen."""
        for name in ("steps", "batch_size", "skip", "prototypes", "memory"):
            if not isinstance(number := getattr(self, name), Integral | None):
                raise BadInput(f"{name} must be an integer; got {number!r}.")
        for name in ("network", "activation"):
            if not isinstance(text := getattr(self, name), str | None):
                raise BadInput(f"{name} must be a text; got {text!r}.")
        use = TrainedRule.of(self.rule, self.network, self.activation).seeing(self._picture)
        use = use.with_views(self.skip, self.prototypes, self.memory)
        return use.with_batches(self.steps, self.batch_size)

    def _begin(self, X: Any) -> tuple[Any, TrainedRule]:
        """Prepares for these examples, and starts a base model."""
        check_mirroring(self.mirrored)
        X = as_examples(X)
        self._picture = picture(X, self.image_shape)
        use = self._use()
        are_images = use.sees_images or len(getattr(X, "shape", ())) > 2
        self._pixels = shape_of_images(X, self.image_shape) if are_images else None
        X = self._examples(X, reset=True)
        folder, random = cache_compilations(), check_random_state(self.random_state)
        self.preparation_ = Preparation.of(X, self.standardise, self._pixels)
        if self.preparation_.notices:
            warnings.warn("; ".join(self.preparation_.notices) + ".", stacklevel=4)
        vars(self).pop("_learned", None)  # An encoder whose next fit is interrupted is not fitted.
        inputs = self.preparation_.inputs
        self.shape_ = self._pixels if use.sees_images and self._pixels is not None else (inputs,)
        self.network_, self.activation_, self.n_iter_ = use.network, use.activation, 0
        self._picture = self._picture if math.prod(self._picture or ()) == inputs else None
        self._learner = Learner(use, self.shape_, random)
        self._tell(f"{count(X):,} examples of {inputs:,} inputs for {use.network}; programs in {folder or 'memory'}.")
        return X, use

    def _learn(self, use: TrainedRule, draw: Draw, examples: int, steps: int) -> None:
        """Takes steps on batches of these examples."""
        start = time.perf_counter()
        shown = rich.progress.Progress(console=rich.console.Console(stderr=True), disable=not self.verbose)
        with shown as progress:
            each = progress.track(range(steps), description="steps")
            self._learner.learn(use, draw, examples, each, wait=self.verbose)
        self.n_iter_, self._learned = self._learner.steps, None
        self._tell(f"{steps:,} steps in {time.perf_counter() - start:.1f} s.")

    def _form(self, use: TrainedRule) -> Form:
        """What the examples are taken for."""
        if not any(use.beside):
            return Form()
        form = Form.of(self._learner.sample, self._picture, self.mirrored, self.preparation_.are_texts)
        if form.mirrored:
            self._tell("Images and their mirror images get the same features.")
        if form.categories:
            warnings.warn("Most columns are categories: features are the columns themselves.", stacklevel=4)
        return form

    @in_single_precision
    def _now(self) -> Learned:
        """What has been learned of all examples so far."""
        check_is_fitted(self)
        if self._learned is None:
            use = self._use()
            self._learned = self._learner.learned(use, self._form(use))
        return self._learned

    def __sklearn_is_fitted__(self) -> bool:
        return "_learned" in vars(self)

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: no examples, unless `partial_fit` is to go on with them."""
        state: Any = super().__getstate__()
        return {**state} | ({} if state.get("_in_parts", True) else {"_learner": None})

    def _tell(self, sentence: str) -> None:
        if self.verbose:
            rich.console.Console(stderr=True).print(sentence, markup=False, highlight=False, soft_wrap=True)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()  # Scikit-learn's way to declare what goes in, and that float32 comes out.
        tags.input_tags.allow_nan = tags.input_tags.sparse = True
        assert tags.transformer_tags is not None
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
