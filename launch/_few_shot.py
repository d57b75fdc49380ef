import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from ..models import MultiLayerPerceptron
from ..rules import AbstractRule
from ..tasks import DataSet, few_shot_indices, load, logistic_accuracy, ridge_accuracy
from ._programs import Programs
from ._table import Row
from .encoders import AbstractEncoder, Features, Fitted, Problem, Statistics


_Features = tuple[Float[Array, "seed support feature"], Float[Array, "seed query feature"]]

READOUTS = {"ridge": ridge_accuracy, "logistic": logistic_accuracy}


def load_all(names: Sequence[str], data_dir: Path | None, labels: int) -> list[DataSet]:
    """Loads data sets to score on: all of them, before anything is computed.

    Raises `BadInput` as `load` does, and where a class has fewer train examples than `labels` or there is no test
    example.
    """
    data_sets = [load(name, data_dir) for name in names]
    for data_set in data_sets:
        few_shot_indices(data_set, 0, labels, 1)
    return data_sets


@final
@dataclasses.dataclass(frozen=True)
class Protocol:
    """How features are scored: the same seeds, examples and readouts for every encoder.

    A seed decides the labelled examples, the test examples, and all that an encoder draws. `statistics` says where
    base models' batch normalisation has its own from when features are computed: the labelled and test examples at
    hand (`batch`), or unlabelled train examples (`frozen`).
    """

    architecture: MultiLayerPerceptron
    labels: int = 10
    seeds: int = 10
    queries: int = 1000
    batch_size: int = 32
    statistics: Statistics = "batch"

    def fitted(self, rule: AbstractRule, steps: int) -> Fitted:
        """The base model after so many steps of a rule."""
        return Fitted(rule, self.architecture, jnp.asarray(steps), self.batch_size, self.statistics)

    def rows(
        self,
        encoders: Iterable[tuple[str, AbstractEncoder]],
        data_sets: Sequence[DataSet],
        tell: Callable[[str], None] = lambda _: None,
    ) -> list[Row]:
        """Scores encoders on data sets: a row for each data set, encoder and readout.

        A row's seconds are those of making the features, without compilation. `tell` hears what is being scored.
        """
        encoders = list(encoders)
        with Programs() as programs:
            asked = []
            for data_set in data_sets:
                shapes = _Examples.shapes(data_set)
                chosen = _Chosen.of(data_set, self)
                asked.append([programs.prepare(_features, encoder, shapes, chosen) for _, encoder in encoders])
            # What is compiled first is used first, while the rest is being compiled.
            return [
                row
                for data_set, prepared in zip(data_sets, asked)
                for row in self._scored(data_set, encoders, prepared, tell)
            ]

    def _scored(
        self,
        data_set: DataSet,
        encoders: Sequence[tuple[str, AbstractEncoder]],
        prepared: Sequence[Future[Callable[..., _Features]]],
        tell: Callable[[str], None],
    ) -> Iterator[Row]:
        examples, chosen = _Examples.of(data_set), _Chosen.of(data_set, self)
        answers = jnp.asarray(data_set.test_y)[chosen.query]
        for (name, encoder), program in zip(encoders, prepared):
            tell(f"{data_set.name}: {name}")
            make = program.result()
            start = time.perf_counter()
            features = jax.block_until_ready(make(encoder, examples, chosen))
            seconds = time.perf_counter() - start
            account = encoder.account(len(data_set.train_y))
            for readout, score in READOUTS.items():
                accuracy = np.asarray(_accuracies(score, features, chosen, answers))
                yield Row(
                    encoder=name,
                    task=data_set.name,
                    readout=readout,
                    accuracy=float(accuracy.mean()),
                    stderr=float(accuracy.std(ddof=1) / len(accuracy) ** 0.5) if len(accuracy) > 1 else 0.0,
                    seeds=self.seeds,
                    labelled=chosen.support.shape[1],
                    unlabelled=account.unlabelled,
                    steps=account.steps,
                    seconds=seconds,
                    statistics=account.statistics,
                )


class _Examples(eqx.Module):
    """The inputs of a data set, on the device."""

    train: Float[Array, "train input"]
    test: Float[Array, "test input"]

    @classmethod
    def of(cls, data_set: DataSet) -> "_Examples":
        return cls(jnp.asarray(data_set.train_inputs()), jnp.asarray(data_set.test_inputs()))

    @classmethod
    def shapes(cls, data_set: DataSet) -> "_Examples":
        """The same without the numbers, which may take much memory."""
        rows = lambda labels: jnp.zeros((len(labels), data_set.input_size), jnp.float32)
        return eqx.filter_eval_shape(lambda: cls(rows(data_set.train_y), rows(data_set.test_y)))


class _Chosen(eqx.Module):
    """Whose labels are known and who is scored on, for every seed."""

    support: Int[Array, "seed support"]
    labels: Int[Array, "seed support"]
    query: Int[Array, "seed query"]
    keys: Key[Array, " seed"]
    classes: int = eqx.field(static=True)

    @classmethod
    def of(cls, data_set: DataSet, protocol: Protocol) -> "_Chosen":
        seeds = range(protocol.seeds)
        splits = [few_shot_indices(data_set, seed, protocol.labels, protocol.queries) for seed in seeds]
        support, query = (jnp.asarray(np.stack(side)) for side in zip(*splits))
        labels = jnp.asarray(data_set.train_y)[support]
        return cls(support, labels, query, jr.split(jr.key(0), protocol.seeds), data_set.classes)


def _features(encoder: AbstractEncoder, examples: _Examples, chosen: _Chosen) -> _Features:
    train, test = examples.train, examples.test

    def one(
        support: Int[Array, " support"], labels: Int[Array, " support"], query: Int[Array, " query"], key: PRNGKeyArray
    ) -> Features:
        return encoder(Problem(train, train[support], labels, test[query], chosen.classes), key)

    return jax.vmap(one)(chosen.support, chosen.labels, chosen.query, chosen.keys)


@eqx.filter_jit
def _accuracies(
    score: Callable[..., Array], features: _Features, chosen: _Chosen, answers: Int[Array, "seed query"]
) -> Float[Array, " seed"]:
    support, query = features
    return jax.vmap(lambda fs, ls, fq, lq: score(fs, ls, fq, lq, chosen.classes))(
        support, chosen.labels, query, answers
    )
