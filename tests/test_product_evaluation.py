"""What the protocol gives to encoders and what its tables say, by an encoder that looks on."""

import functools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array
from metarule import evaluate
from metarule.launch.encoders._encoder import AbstractEncoder, EncoderCost
from metarule.launch.encoders._raw import Raw
from metarule.launch.evaluation._protocol import Protocol, READOUTS
from metarule.models import MultiLayerPerceptron
from metarule.tasks import as_inputs, DataSet, load


LABELS, QUERIES = 3, 15
SEEN: list[dict[str, np.ndarray]] = []


@pytest.fixture(scope="module", autouse=True)
def only_ridge():
    """One readout is enough here, and the other takes seconds to compile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(READOUTS, "logistic")
        yield


def numbered():
    """Examples whose first number is their own: those of the train split from 1 on, those of the test split from -1
    down. The second says a little of the class."""
    train, test = np.arange(60), np.arange(40)
    noise = np.random.default_rng(0).normal(size=100)

    def examples(numbers, labels, own):
        return np.stack([numbers, 1.5 * labels + own, own**2], axis=1).astype(np.float32)

    return DataSet(
        "numbered", "table", ("a", "b"),
        examples(1 + train, train % 2, noise[:60]), train % 2, examples(-1 - test, test % 2, noise[60:]), test % 2,
    )  # fmt: skip


class Witness(AbstractEncoder):
    """Notes what it was given."""

    unit: Array

    def __call__(self, problem, key):
        columns = {"train": problem.train[:, 0], "support": problem.support[:, 0], "query": problem.query[:, 0]}
        jax.debug.callback(lambda **given: SEEN.append(given), labels=problem.labels, key=jr.key_data(key), **columns)
        return self.unit * problem.support, self.unit * problem.query

    def account(self, train):
        return EncoderCost()


@functools.cache
def given():
    """What an encoder was given for each of two seeds; of 60 train examples it may see 50 without their labels."""
    protocol = Protocol(MultiLayerPerceptron((2,)), labels=LABELS, seeds=2, queries=QUERIES, unlabelled=50)
    SEEN.clear()
    protocol.rows([("witness", Witness(jnp.ones(())))], [numbered()])
    jax.effects_barrier()
    seen = {name: np.unique(np.stack([np.asarray(each[name]) for each in SEEN]), axis=0) for name in SEEN[0]}
    assert len(seen["support"]) == len(seen["query"]) == 2 and len(seen["train"]) == 1
    return seen


def test_no_test_example_is_among_the_unlabelled_or_the_labelled():
    seen = given()
    assert (seen["train"] > 0).all() and (seen["support"] > 0).all() and (seen["query"] < 0).all()
    assert len(set(seen["train"][0].tolist())) == 50
    assert all(len(set(row.tolist())) == QUERIES for row in seen["query"])


def test_labels_are_those_of_the_labelled_examples_and_each_class_has_as_many():
    seen = given()
    found = {tuple(row.tolist()) for row in (seen["support"] - 1) % 2}
    assert found == {tuple(row.tolist()) for row in seen["labels"]} and found == {(0,) * LABELS + (1,) * LABELS}
    assert all(len(set(row.tolist())) == 2 * LABELS for row in seen["support"])


def test_every_seed_draws_examples_and_a_start_of_its_own():
    for name in ("support", "query", "key"):
        one, other = given()[name]
        assert set(one.tolist()) != set(other.tolist()), name


@pytest.mark.parametrize("told, noise, others", [(0.01, 100.0, 1), (1.0, 0.01, 60)])
def test_readouts_see_features_as_they_are_or_standardised(told, noise, others):
    """A class that is told by a small number beside a large one is read, and so is one beside many that hardly vary."""
    labels = np.arange(200) % 2
    generator = np.random.default_rng(0)
    x = generator.normal(size=(200, 1 + others)) * np.r_[0.1 * told, np.full(others, noise)]
    x[:, 0] += told * labels
    x = x.astype(np.float32)
    data_set = DataSet("scales", "table", ("a", "b"), x[:100], labels[:100], x[100:], labels[100:])
    rows = Protocol(MultiLayerPerceptron((2,)), labels=20, seeds=2).rows([("raw", Raw())], [data_set])
    assert all(row["accuracy"] > 0.9 for row in rows)


def test_the_error_of_a_table_is_that_of_the_mean_over_seeds():
    """Two seeds err by half of what they differ by."""

    def table(seeds):
        protocol = Protocol(MultiLayerPerceptron((2,)), labels=LABELS, seeds=seeds, queries=QUERIES)
        return {row["readout"]: row for row in protocol.rows([("raw", Raw())], [numbered()])}

    alone, both = table(1), table(2)
    for readout, row in both.items():
        first = alone[readout]["accuracy"]
        second = 2 * row["accuracy"] - first
        np.testing.assert_allclose(row["stderr"], abs(first - second) / 2, atol=1e-6)
        assert alone[readout]["stderr"] == 0
    assert any(row["stderr"] > 0 for row in both.values())


def test_a_transformer_is_fitted_to_no_example_that_it_is_scored_on(tmp_path):
    """Of a set that is split anew for every seed, any example with a label may be a test example."""

    class Spy:
        def fit(self, X, y=None):
            self.seen = np.asarray(X)
            return self

        def transform(self, X):
            return X

    x = np.random.default_rng(0).normal(size=(120, 2))
    y = np.where(np.arange(120) % 3 == 0, (np.arange(120) % 2).astype(str), "")
    np.savez(tmp_path / "own.npz", x=x, y=y)
    spy, name, sizes = Spy(), str(tmp_path / "own.npz"), {"seeds": 2, "labels": 3, "queries": 20, "unlabelled": 50}
    with pytest.warns(UserWarning, match="80 of 120 examples have no label"):
        data_set = load(name, None)
        rows = evaluate(spy, tasks=name, encoders=(), readouts=("ridge",), **sizes)
    assert next(row["unlabelled"] for row in rows if row["encoder"] == "own") == len(spy.seen) == 50
    labelled = set(map(tuple, as_inputs(data_set.train_x[: len(data_set.train_y)])))
    assert len(labelled) == 40 and not labelled & set(map(tuple, spy.seen))
