import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import final

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int

from ...errors import BadInput
from ...models import AbstractArchitecture, AbstractImageArchitecture, Form, Mirroring, ViewSizes
from ...rules import AbstractRule
from ...tasks import (
    accuracy,
    as_inputs,
    DataSet,
    few_shot_indices,
    logistic_scores,
    PrincipalAxes,
    ridge_errors,
    ridge_scores,
)
from ..encoders._encoder import Features, Statistics
from ..encoders._fitted import Fitted
from ..options._names import choose, own_function
from ._features import Encoder, EvaluationData, features_of, SeedFeatures
from ._programs import Programs
from ._rows import Row


Readout = Callable[[PrincipalAxes, Float[Array, "support class"]], Float[Array, "query class"]]
"""A classifier of a few examples: from features along principal axes and one-hot labels to scores of the classes."""

READOUTS: dict[str, Readout] = {"ridge": ridge_scores, "logistic": logistic_scores}


def readouts_of(names: Iterable[str]) -> tuple[tuple[str, Readout], ...]:
    """Readouts under their names; a name may be `MODULE:FUNCTION` of the user's own. Raises `BadInput` for another."""

    def readout(name: str) -> Readout:
        return own_function(name, "readout") if ":" in name else choose(name, READOUTS, "readout", "MODULE:FUNCTION")

    return tuple((name, readout(name)) for name in names)


@final
@dataclasses.dataclass(frozen=True)
class Protocol:
    """How features are scored: the same seeds, examples and readouts for every encoder.

    A seed decides the labelled examples, the test examples, and everything that an encoder draws. `unlabelled` is how
    many of the train examples are given without labels, the same ones for every seed; by default all. `statistics`
    names the examples whose mean and variance batch normalisation uses when features are computed: the labelled and
    test examples together (`batch`), or unlabelled train examples (`frozen`). `beside` says what
    stands beside a base model's features, its `Views`, and `mirrored` whether images then have the mean of both ways
    round.
    """

    architecture: AbstractArchitecture
    _: dataclasses.KW_ONLY
    labels: int = 10
    seeds: int = 10
    queries: int = 1000
    batch_size: int = 32
    statistics: Statistics = "batch"
    beside: ViewSizes = ViewSizes()
    mirrored: Mirroring = "auto"
    unlabelled: int | None = None
    readouts: tuple[tuple[str, Readout], ...] = tuple(READOUTS.items())

    def fitted(self, rule: AbstractRule, steps: int) -> Fitted:
        """The base model after so many steps of a rule."""
        count = jnp.asarray(steps)
        return Fitted(rule, self.architecture, count, self.batch_size, self.statistics, beside=self.beside)

    def check(self, data_set: DataSet) -> None:
        """Raises `BadInput` unless the base model can be made for a data set's examples."""
        if not isinstance(self.architecture, AbstractImageArchitecture):
            return
        try:
            jax.eval_shape(
                lambda key: self.architecture(data_set.image_shape or (data_set.input_size,), key), jr.key(0)
            )
        except BadInput as error:
            raise BadInput(f"{data_set.name}: {error}") from error

    def data(self, data_set: DataSet) -> EvaluationData:
        """What encoders are given of a data set, and what their features are scored by. Raises as `check` does."""
        self.check(data_set)
        splits = [few_shot_indices(data_set, seed, self.labels, self.queries) for seed in range(self.seeds)]
        support, query = (np.stack(side) for side in zip(*splits))
        shape = data_set.image_shape
        train = as_inputs(data_set.train_x[unlabelled_rows(data_set, self.unlabelled)])
        return EvaluationData(
            jnp.asarray(train),
            _rows(data_set.train_x, support),
            jnp.asarray(data_set.train_y[support]),
            _rows(data_set.test_x, query),
            jnp.asarray(data_set.test_y[query]),
            jr.split(jr.key(0), self.seeds),
            data_set.classes,
            Form.of(train, shape, self.mirrored, data_set.kind == "text") if any(self.beside) else Form(shape),
        )

    def rows(
        self,
        encoders: Iterable[tuple[str, Encoder]],
        data_sets: Iterable[DataSet],
        tell: Callable[[str], None] = lambda _: None,
    ) -> list[Row]:
        """Scores encoders on data sets. Returns a row for each data set, encoder and readout.

        A row's seconds are those of computing the features, without compilation. `tell` is called with the names of
        the data set and the encoder when their features begin to be computed.
        """
        encoders, cells = list(encoders), []
        with Programs() as programs:
            for data_set in data_sets:  # The next ones are loaded while features of this one are computed.
                given = self.data(data_set)
                for name, encoder in encoders:
                    cell = _Cell((data_set.name, name), encoder, given, self.readouts)
                    cells.append(programs.begin(cell.rows, programs, tell))
            return [row for cell in cells for row in cell.result()]


@final
@dataclasses.dataclass(frozen=True)
class _Cell:
    """One encoder on one data set."""

    names: tuple[str, str]
    """Of the data set and of the encoder."""
    encoder: Encoder
    given: EvaluationData
    readouts: tuple[tuple[str, Readout], ...]

    def rows(self, programs: Programs, tell: Callable[[str], None]) -> list[Row]:
        """A row for each readout of the encoder's features."""
        tell(": ".join(self.names))
        features, seconds = features_of(self.encoder, self.given, programs)
        return list(self._scored(programs, features, seconds))

    def _scored(self, programs: Programs, features: SeedFeatures, seconds: float) -> Iterator[Row]:
        given, account, (task, name) = self.given, self.encoder.account(len(self.given.train)), self.names
        seeds, labelled = given.labels.shape
        # Two programs, because a readout takes long to compile and is then the same for any number of features.
        axes, _ = programs.run(_axes, features, given.labels, given.classes)
        for readout, score in self.readouts:
            shares, _ = programs.run(_accuracies, score, axes, given.labels, given.answers, given.classes)
            accuracies = np.asarray(shares)
            yield Row(
                encoder=name,
                task=task,
                readout=readout,
                accuracy=float(accuracies.mean()),
                accuracies=accuracies.tolist(),
                stderr=float(accuracies.std(ddof=1) / seeds**0.5) if seeds > 1 else 0.0,
                seeds=seeds,
                labelled=labelled,
                unlabelled=account.unlabelled,
                steps=account.steps,
                seconds=seconds,
                statistics=account.statistics,
                features=features[1].shape[-1],
                other_rows=account.other_rows,
            )


def unlabelled_rows(data_set: DataSet, at_most: int | None) -> Int[np.ndarray, " train"]:
    """The train examples that encoders get without labels, by number, so many at most.

    Examples that are split anew for every seed are not among them: they are test examples of some.
    """
    first = len(data_set.train_y) if data_set.split_anew else 0
    count = len(data_set.train_x) - first
    if at_most is None or at_most >= count:
        return first + np.arange(count)
    return first + np.sort(np.random.default_rng(0).choice(count, at_most, replace=False))


def _rows(x: np.ndarray, index: Int[np.ndarray, "seed row"]) -> Float[Array, "seed row input"]:
    return jnp.asarray(as_inputs(x[index.ravel()]).reshape(*index.shape, -1))


def _axes(features: SeedFeatures, labels: Int[Array, "seed support"], classes: int) -> PrincipalAxes:
    """Of the features as they are or standardised by the labelled examples, whichever has the less leave-one-out error.

    Standardising alone would not do: the deviation over a few examples blows up features that hardly vary.
    """

    def one(support: Float[Array, "support feature"], query: Float[Array, "query feature"], labels: Array):
        forms = [(support, query), _standardised(support, query)]
        axes = jax.vmap(PrincipalAxes.of)(*(jnp.stack(side) for side in zip(*forms)))
        targets = jax.nn.one_hot(labels, classes, dtype=support.dtype)
        best = jax.vmap(lambda axes: ridge_errors(axes, targets).min())(axes).argmin()
        return jax.tree.map(lambda leaf: leaf[best], axes)

    return jax.vmap(one)(*features, labels)


def _standardised(support: Float[Array, "support feature"], query: Float[Array, "query feature"]) -> Features:
    """Features of mean zero and deviation one over the labelled examples; those that are constant there become zero."""
    mean, variance = support.mean(0), support.var(0)
    varies = variance > 1e-10 * (1e-30 + mean**2)
    scale = jnp.where(varies, jax.lax.rsqrt(jnp.where(varies, variance, 1)), 0)
    return scale * (support - mean), scale * (query - mean)


def _accuracies(
    score: Callable[..., Array],
    axes: PrincipalAxes,
    labels: Int[Array, "seed support"],
    answers: Int[Array, "seed query"],
    classes: int,
) -> Float[Array, " seed"]:
    def one(axes: PrincipalAxes, labels: Int[Array, " support"], answers: Int[Array, " query"]) -> Float[Array, ""]:
        return accuracy(score(axes, jax.nn.one_hot(labels, classes, dtype=axes.basis.dtype)), answers)

    return jax.vmap(one)(axes, labels, answers)
