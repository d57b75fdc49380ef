import dataclasses
import time
from collections.abc import Iterable, Sequence
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
from ._table import Row
from .encoders import AbstractEncoder, Fitted, Problem, Statistics


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

    def rows(self, encoders: Iterable[tuple[str, AbstractEncoder]], data_set: DataSet) -> list[Row]:
        """Scores encoders on one data set: a row for each encoder and readout."""
        splits = [few_shot_indices(data_set, seed, self.labels, self.queries) for seed in range(self.seeds)]
        support, query = (jnp.asarray(np.stack(side)) for side in zip(*splits))
        labels = jnp.asarray(data_set.train_y)[support], jnp.asarray(data_set.test_y)[query]
        examples = jnp.asarray(data_set.train_inputs()), jnp.asarray(data_set.test_inputs())
        keys = jr.split(jr.key(0), self.seeds)
        rows = []
        for name, encoder in encoders:
            start = time.perf_counter()
            features = _features(encoder, examples, (support, labels[0], query), keys, data_set.classes)
            features = jax.block_until_ready(features)
            seconds = time.perf_counter() - start
            account = encoder.account(len(data_set.train_y))
            for readout, score in READOUTS.items():
                accuracy = np.asarray(_scores(score, features, labels, data_set.classes))
                rows.append(
                    Row(
                        encoder=name,
                        task=data_set.name,
                        readout=readout,
                        accuracy=float(accuracy.mean()),
                        stderr=float(accuracy.std(ddof=1) / len(accuracy) ** 0.5) if len(accuracy) > 1 else 0.0,
                        seeds=self.seeds,
                        labelled=support.shape[1],
                        unlabelled=account.unlabelled,
                        steps=account.steps,
                        seconds=seconds,
                        statistics=account.statistics,
                    )
                )
        return rows


@eqx.filter_jit
def _features(
    encoder: AbstractEncoder,
    examples: tuple[Float[Array, "train input"], Float[Array, "test input"]],
    chosen: tuple[Int[Array, "seed support"], Int[Array, "seed support"], Int[Array, "seed query"]],
    keys: Key[Array, " seed"],
    classes: int,
) -> tuple[Float[Array, "seed support feature"], Float[Array, "seed query feature"]]:
    train, test = examples

    def one(
        support: Int[Array, " support"], labels: Int[Array, " support"], query: Int[Array, " query"], key: PRNGKeyArray
    ):
        return encoder(Problem(train, train[support], labels, test[query], classes), key)

    return jax.vmap(one)(*chosen, keys)


@eqx.filter_jit
def _scores(score, features, labels, classes):
    return jax.vmap(lambda fs, ls, fq, lq: score(fs, ls, fq, lq, classes))(
        features[0], labels[0], features[1], labels[1]
    )
