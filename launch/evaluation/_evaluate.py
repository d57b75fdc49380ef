import dataclasses
import itertools
import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, final, Literal, runtime_checkable

import jax
import numpy as np
import tyro
from jaxtyping import Float

from ...errors import BadInput
from ...models import check_mirroring, Mirroring
from ...rules import AbstractRecipe, AbstractRule
from ...tasks import as_inputs, DataSet, suite_data_sets
from ..caches._compilations import cache_compilations
from ..encoders._encoder import AbstractEncoder, AbstractHostEncoder
from ..encoders._raw import Precomputed
from ..encoders._trained_rule import TrainedRule
from ._contestants import Comparators, encoders_of, USUAL, usual
from ._data import load_all, load_each, Refuse
from ._features import Encoder
from ._protocol import Protocol, READOUTS, readouts_of, unlabelled_rows
from ._rows import Row


_AT_MOST = (3, 300, 10_000)
"""With `quick`: seeds, test and unlabelled examples at most."""

_BUDGET = 0.2
"""With `quick`: the share of their usual steps that baselines get."""

_TASKS = ("digits",)

Matrix = Float[np.ndarray, "example feature"]


@final
@dataclasses.dataclass(frozen=True)
class Sayings:
    """Who is told what while encoders are scored: the names of each data set and encoder when it begins, and which data
    sets can't be scored on, the others of which are; without that, the first of them is raised."""

    tell: Callable[[str], None] = lambda _: None
    refuse: Refuse | None = None


@final
@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What to score encoders on, beside which others, and how carefully."""

    tasks: tuple[str, ...] = _TASKS
    """Data sets, such as digits, mnist14, fashion_mnist28 or PATH.npz; `metarule data list` names them."""
    suite: Literal["development", "held-out"] | None = None
    """Instead of tasks, all data sets of a suite that are present: the ones to choose everything by (development), or
    those to look at once in the end (held-out)."""
    encoders: tuple[str, ...] = USUAL
    """Encoders to score, MODULE:CLASS of your own among them; by default the rule, the same rule untrained, and all
    baselines but umap and tfidf-svd, or with a convolutional network those of patches (patch-kmeans,
    patch-kmeans-whitened, patch-pca). NAME-SIZE has another number of features (pca-10, kmeans-256, umap-10), and
    NAME+NAME sets features side by side (kmeans-256+pca)."""
    readouts: tuple[str, ...] = tuple(READOUTS)
    """Classifiers of the features: ridge, logistic, or MODULE:FUNCTION of your own."""
    labels: int = 10
    """Labelled examples per class."""
    seeds: int = 10
    """Repetitions, each with its own start, order of inputs and examples."""
    steps: tuple[int, ...] = ()
    """Inner steps to score after, several for a curve; by default as many as the rule was meta-trained for, and for
    hand-made rules their own number."""
    statistics: Literal["batch", "frozen"] = "batch"
    """Examples whose statistics batch normalisation uses when features are computed: the labelled and test examples
    (batch), or up to 40,000 unlabelled train examples (frozen)."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """At most 3 seeds, 300 test and 10,000 unlabelled examples, and a fifth of the baselines' steps."""
    network: str | None = None
    """The base model: layer widths, features last, such as 64-64-32, or convolutions of images, such as
    conv5x5s2x32-3x3s2x64-quadrants; by default the rule's own."""
    activation: str | None = None
    """relu, leaky-relu, swish, tanh or step; by default the rule's own."""
    batch_size: int | None = None
    """Unlabelled examples in an inner step; by default the rule's own."""
    skip: int | None = None
    """Principal components of the inputs beside a rule's features, 0 for none; by default the rule's own number."""
    prototypes: int | None = None
    """Centroids of the inputs, whose closeness stands beside a rule's features, 0 for none; by default the rule's own
    number."""
    memory: int | None = None
    """Anchors of the neighbourhood graph that is recalled beside a rule's features, 0 for none; by default the rule's
    own number."""
    mirrored: Mirroring = "auto"
    """Whether images have the same features as their mirror images, if anything stands beside a rule's; `auto`: where
    both are as likely."""
    queries: int = 1000
    """Test examples to score on, for each seed."""
    unlabelled: int | None = None
    """Train examples to give without labels; by default all."""
    data_dir: Path | None = None
    """Folder of data sets; also METARULE_DATA."""

    def __post_init__(self):
        if min(self.labels, self.seeds, self.queries) < 1 or min(self.steps, default=0) < 0:
            raise BadInput("--labels, --seeds and --queries need 1 or more, --steps 0 or more.")
        if any(count is not None and count < 2 for count in (self.batch_size, self.unlabelled)):
            raise BadInput("--batch-size and --unlabelled need 2 or more.")
        check_mirroring(self.mirrored)
        if self.suite is not None and self.tasks != _TASKS:
            raise BadInput("--suite names the data sets: leave --tasks out, or name all by --tasks.")

    @property
    def title(self) -> str:
        """The heading of a table of results."""
        quickly = (
            f", quickly: {self._at_most(0)} seeds, {self._at_most(1)} test and {self._at_most(2):,} unlabelled "
            f"examples at most, {_BUDGET:.0%} of the baselines' steps"
        )
        suite = f", {self.suite} suite" if self.suite else ""
        return f"Accuracy with {self.labels} labels per class{suite}" + quickly * self.quick

    @property
    def names(self) -> tuple[str, ...]:
        """The data sets to score on: of a suite those whose files are present."""
        if self.suite is None:
            return self.tasks
        return tuple(each.name for each in suite_data_sets(self.suite, self.data_dir) if each.present)

    def protocol(self, trained: TrainedRule) -> Protocol:
        """How a rule's features are scored, with the rule's own base model unless another one is named."""
        return Protocol(
            trained.architecture,
            beside=trained.with_views(self.skip, self.prototypes, self.memory).beside,
            mirrored=self.mirrored,
            labels=self.labels,
            seeds=self._at_most(0),
            queries=self._at_most(1),
            unlabelled=self._at_most(2) if self.quick else self.unlabelled,
            batch_size=self.batch_size or trained.batch_size,
            statistics=self.statistics,
            readouts=readouts_of(self.readouts),
        )

    def rows(self, trained: TrainedRule, say: Sayings = Sayings()) -> list[Row]:
        """Scores the encoders, those that belong to the rule with this rule: a row for each data set, encoder and
        readout. Data sets are loaded before anything is computed, those of a suite one after the other."""
        if self.suite is not None:
            return [row for rows in self.in_turn(self.names, trained, say) for row in rows]
        data_sets = load_all(self.tasks, self.data_dir, self.labels, say.refuse)
        return self.scored(data_sets, trained, say) if data_sets else []

    def in_turn(self, names: Iterable[str], trained: TrainedRule, say: Sayings = Sayings()) -> Iterator[list[Row]]:
        """The rows of these data sets, one after the other: of many, no more than one is in memory."""
        for data_set in load_each(names, self.data_dir, self.labels, say.refuse):
            yield self.scored([data_set], trained, say)
            jax.clear_caches()  # Programs are of one data set's shapes: kept, those of a suite would fill the memory.

    def scored(self, data_sets: list[DataSet], trained: TrainedRule, say: Sayings = Sayings()) -> list[Row]:
        """The rows of data sets that are there already, whatever `tasks` says."""
        rows = []
        for _, alike in itertools.groupby(data_sets, lambda data_set: trained.seeing(data_set.image_shape).network):
            alike = list(alike)
            shape = alike[0].image_shape
            rows += self.protocol(trained.seeing(shape)).rows(self.contestants(trained, shape), alike, say.tell)
        return rows

    def contestants(
        self, trained: TrainedRule, image_shape: tuple[int, int, int] | None = None
    ) -> list[tuple[str, Encoder]]:
        """The encoders to score under their names, those that belong to the rule with this rule.

        On images of this shape, or on rows of numbers where it is None. The rule may have a base model for each, but
        baselines have the one for rows, so that they are the same in every line of a table.
        """
        names = usual(trained.architecture) if self.encoders == USUAL else self.encoders
        comparators = Comparators(
            self.protocol(trained.seeing(image_shape)),
            trained=trained.rule,
            untrained=trained.untrained() if any("untrained" in name.split("+") for name in names) else trained.rule,
            steps=self.steps or (trained.steps,),
            same_steps=bool(self.steps),
            budget=_BUDGET if self.quick else 1.0,
            baselines=trained.architecture,
        )
        return encoders_of(names, comparators)

    def _at_most(self, place: int) -> int:
        given = (self.seeds, self.queries, self.unlabelled or _AT_MOST[2])[place]
        return min(given, _AT_MOST[place]) if self.quick else given


@runtime_checkable
class Transformer(typing.Protocol):
    """What scikit-learn's transformers have."""

    def fit(self, X: Any, y: Any = None) -> Any: ...

    def transform(self, X: Any) -> Any: ...


def evaluate(
    subject: Any = "default",
    *,
    like: AbstractRule | AbstractRecipe | None = None,
    name: str = "own",
    **settings: Any,
) -> list[Row]:
    """Scores features with few labels as `metarule evaluate` does, and returns the rows of its table.

    `subject` is one of these:
    - a rule: an object, a rule file, a run folder or a shipped rule's name (`like` as for `load_rule`). It is scored
      as the encoder `meta-trained`;
    - an encoder, an `AbstractEncoder` or an `AbstractHostEncoder`;
    - a transformer with scikit-learn's `fit` and `transform`: fitted once on the unlabelled train examples;
    - a function from inputs [example, input] to features [example, feature];
    - one's own features of a data set: a pair of arrays [example, feature], in the order of its train and test split.
    All but a rule are scored under `name`. `settings` are the fields of `Evaluation`, such as `tasks` or `suite`,
    `labels` and `seeds`; `encoders` are the ones to score beside it, raw inputs, PCA and k-means if not given.

    Raises `BadInput` for what can't be scored.
    """
    cache_compilations()
    settings = {"encoders": ("raw", "pca", "kmeans"), **settings}
    if isinstance(settings.get("tasks"), str):
        settings["tasks"] = (settings["tasks"],)
    if isinstance(subject, str | Path | AbstractRule | TrainedRule):
        settings["encoders"] = tuple(dict.fromkeys(("meta-trained", *settings["encoders"])))
        evaluation = Evaluation(**settings)
        return evaluation.rows(TrainedRule.of(subject, evaluation.network, evaluation.activation, like))
    evaluation = Evaluation(**settings)
    trained = TrainedRule.of("default", evaluation.network, evaluation.activation)
    protocol, rows = evaluation.protocol(trained), evaluation.rows(trained)
    for data_set in load_each(evaluation.names, evaluation.data_dir, evaluation.labels):
        if isinstance(subject, AbstractEncoder | AbstractHostEncoder):
            rows += protocol.rows([(name, subject)], [data_set])
        else:
            featured, unlabelled = _with_features(subject, data_set, protocol.unlabelled)
            rows += protocol.rows([(name, Precomputed(unlabelled))], [featured])
    return rows


def _with_features(subject: Any, data_set: DataSet, at_most: int | None) -> tuple[DataSet, int]:
    """The data set with features where its inputs are, and how many unlabelled examples, `at_most` at most, they were
    fitted to."""
    inputs = as_inputs(data_set.train_x), as_inputs(data_set.test_x)
    unlabelled = 0
    if isinstance(subject, tuple) and len(subject) == 2:
        features = subject
    elif isinstance(subject, Transformer):
        own = inputs[0][unlabelled_rows(data_set, at_most)]
        fitted, unlabelled = subject.fit(own), len(own)
        features = fitted.transform(inputs[0]), fitted.transform(inputs[1])
    elif callable(subject):
        features = subject(inputs[0]), subject(inputs[1])
    else:
        raise BadInput(
            f"{type(subject).__name__} can't be scored: give a rule, an encoder, a transformer with fit and transform, "
            "a function of inputs, or a pair of feature arrays."
        )
    train, test = (_matrix(each, data_set, len(x)) for each, x in zip(features, inputs))
    return dataclasses.replace(data_set, kind="table", train_x=train, test_x=test), unlabelled


def _matrix(features: Any, data_set: DataSet, examples: int) -> Matrix:
    made = np.asarray(features, np.float32)
    if made.ndim != 2 or len(made) != examples:
        raise BadInput(
            f"{data_set.name}: features of shape {made.shape} where [{examples}, feature] is needed; give one row for "
            "each example, in the data set's order."
        )
    if not np.isfinite(made).all():
        raise BadInput(f"{data_set.name}: the features hold NaN or infinity.")
    return made
