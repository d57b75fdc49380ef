import dataclasses
import time
from collections.abc import Mapping
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from ..models import MultiLayerPerceptron
from ..rules import AbstractRule, fit
from ..tasks import DataSet, few_shot_indices, logistic_accuracy, ridge_accuracy
from ._table import Row


READOUTS = {"ridge": ridge_accuracy, "logistic": logistic_accuracy}


@final
@dataclasses.dataclass(frozen=True)
class Protocol:
    """How features are scored: the same seeds, examples and readouts for every encoder.

    A seed decides the base model's start, the order of the inputs, the unlabelled batches, the labelled examples and
    the test examples. Batch normalisation uses the statistics of the labelled and test examples at hand.
    """

    architecture: MultiLayerPerceptron
    labels: int = 10
    seeds: int = 10
    queries: int = 1000
    batch_size: int = 32

    def rows(self, encoders: Mapping[str, tuple[AbstractRule, int]], data_set: DataSet) -> list[Row]:
        """Scores rules after a number of steps on one data set: a row for each encoder and readout."""
        splits = [few_shot_indices(data_set, seed, self.labels, self.queries) for seed in range(self.seeds)]
        support, query = (jnp.asarray(np.stack(side)) for side in zip(*splits))
        labels = jnp.asarray(data_set.train_y)[support], jnp.asarray(data_set.test_y)[query]
        examples = jnp.asarray(data_set.train_inputs()), jnp.asarray(data_set.test_inputs())
        keys = jr.split(jr.key(0), self.seeds)
        rows = []
        for name, (rule, steps) in encoders.items():
            start = time.perf_counter()
            features = _features(self, rule, examples, (support, query), jnp.asarray(steps), keys)
            features = jax.block_until_ready(features)
            seconds = time.perf_counter() - start
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
                        unlabelled=len(data_set.train_y) if steps else 0,
                        steps=steps,
                        seconds=seconds,
                    )
                )
        return rows


@eqx.filter_jit
def _features(
    protocol: Protocol,
    rule: AbstractRule,
    examples: tuple[Float[Array, "train input"], Float[Array, "test input"]],
    chosen: tuple[Int[Array, "seed support"], Int[Array, "seed query"]],
    steps: Int[Array, ""],
    keys: Key[Array, " seed"],
) -> tuple[Float[Array, "seed support feature"], Float[Array, "seed query feature"]]:
    train, test = examples

    def one(support: Int[Array, " support"], query: Int[Array, " query"], key: PRNGKeyArray):
        order_key, model_key, batch_key = jr.split(key, 3)
        order = jr.permutation(order_key, train.shape[1])
        model = protocol.architecture(train.shape[1], model_key)
        carried = model, rule.init(model)
        model, _ = fit(rule, carried, train[:, order], steps, batch_size=protocol.batch_size, key=batch_key)
        features, _ = model(jnp.concatenate([train[support], test[query]])[:, order])
        return features[: len(support)], features[len(support) :]

    return jax.vmap(one)(*chosen, keys)


@eqx.filter_jit
def _scores(score, features, labels, classes):
    return jax.vmap(lambda fs, ls, fq, lq: score(fs, ls, fq, lq, classes))(
        features[0], labels[0], features[1], labels[1]
    )
