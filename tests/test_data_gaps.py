"""Data of which only some examples have a label: the others are unlabelled examples, and no reason to refuse a file."""

import json

import numpy as np
import pandas
import pyarrow.parquet
import pytest
from metarule.errors import BadInput
from metarule.launch.commands.use._encode import main as encode
from metarule.launch.evaluation._protocol import Protocol
from metarule.models import MultiLayerPerceptron
from metarule.tasks import DataSet, few_shot_indices, from_arrays, join, load


ROWS, KNOWN = 60, 12
KINDS = np.arange(ROWS) % 3
NUMBERS = np.where(np.arange(ROWS) < KNOWN, KINDS, np.nan)
X = np.float32(np.random.default_rng(0).normal(size=(ROWS, 4)) + 3 * np.eye(3, 4)[KINDS])


@pytest.fixture(params=["csv", "parquet", "integers.parquet", "jsonl", "npz", "words.npz"])
def named(request, tmp_path):
    """A file whose first `KNOWN` examples have a label, by the name that it has on the command line."""
    form = request.param
    path = tmp_path / f"data.{form}"
    words = [f"k{kind}" if row < KNOWN else None for row, kind in enumerate(KINDS)]
    if form == "jsonl":
        texts = [f"{'red green blue'.split()[kind]} word{row % 7}" for row, kind in enumerate(KINDS)]
        lines = [{"text": text, "label": word} if word else {"text": text} for text, word in zip(texts, words)]
        path.write_text("\n".join(map(json.dumps, lines)))
        return str(path)
    if form.endswith("npz"):
        np.savez(path, x=X, y=np.array([word or "" for word in words]) if "words" in form else NUMBERS)
        return str(path)
    frame = pandas.DataFrame(X, columns=list("abcd"))
    frame["kind"] = words
    if "integers" in form:
        numbers = [int(word[1]) if word else None for word in words]
        frame["kind"] = pandas.array(numbers, dtype="Int64")
    frame.to_csv(path, index=False) if form == "csv" else frame.to_parquet(path)
    return f"{path}:kind"


def test_examples_without_a_label_are_train_examples_behind_those_with_one(named):
    with pytest.warns(UserWarning, match="48 of 60 examples have no label and serve as unlabelled ones only"):
        data = load(named)
    assert len(data.class_names) == 3 and not any("." in name or not name for name in data.class_names)
    assert data.split_anew and len(data.train_x) == ROWS
    np.testing.assert_array_equal(data.train_y, KINDS[:KNOWN])
    np.testing.assert_array_equal(data.test_y, data.train_y)
    np.testing.assert_array_equal(data.test_x, data.train_x[:KNOWN])
    if not named.endswith("jsonl"):
        for place in range(4):
            assert np.corrcoef(data.train_x[:, place], X[:, place])[0, 1] > 0.999


def test_few_labelled_examples_are_divided_anew_for_each_problem():
    data = from_arrays("gaps", (X, NUMBERS))
    problems = [few_shot_indices(data, seed, 2, 100) for seed in range(9)]
    for support, query in problems:
        assert sorted([*support, *query]) == list(range(KNOWN))
        assert np.bincount(data.train_y[support]).tolist() == [2, 2, 2]
    assert len({tuple(sorted(query)) for _, query in problems}) > 5
    with pytest.raises(BadInput, match="no test examples"):
        few_shot_indices(data, 0, 4, 100)


def test_where_most_examples_have_a_label_a_fifth_is_held_out():
    data = from_arrays("few gaps", (X, np.where(np.arange(ROWS) < KNOWN, np.nan, KINDS)))
    assert not data.split_anew and len(data.test_y) == 9 and len(data.train_y) == 39 and len(data.train_x) == 51


def test_encoders_are_given_the_unlabelled_examples_and_tasks_are_not():
    data = from_arrays("gaps", (X, NUMBERS))
    protocol = Protocol(MultiLayerPerceptron((4, 2)), labels=2, seeds=2)
    given = protocol.data(data)
    assert given.support.shape == given.query.shape == (2, 6, 4)
    np.testing.assert_array_equal(given.train, data.train_x[KNOWN:])  # None of those that score.
    assert join([data]).examples.shape == (KNOWN, 4)
    most = from_arrays("few gaps", (X, np.where(np.arange(ROWS) < KNOWN, np.nan, KINDS)))
    np.testing.assert_array_equal(protocol.data(most).train, most.train_x)


def test_a_test_example_without_a_label_is_left_out():
    data = from_arrays("gaps", (X, KINDS), (X, NUMBERS))
    assert len(data.train_y) == len(data.train_x) == ROWS and len(data.test_x) == KNOWN
    np.testing.assert_array_equal(data.test_y, KINDS[:KNOWN])
    with pytest.raises(BadInput, match="59 test examples have 58 labels"):
        DataSet("short", "table", ("a", "b"), X, np.zeros(ROWS, int), X[1:], np.zeros(58, int))
    with pytest.raises(BadInput, match="59 train examples have 60 labels"):
        DataSet("long", "table", ("a", "b"), X[1:], np.zeros(ROWS, int), X[:1], np.zeros(1, int))


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npz"])
def test_encode_writes_every_example_in_order_and_a_gap_where_there_is_no_label(named, suffix, tmp_path, capsys):
    out = tmp_path / f"features.{suffix}"
    small = ["--steps", "2", "--network", "4-3", "--skip", "0", "--prototypes", "0", "--memory", "0"]
    assert encode([named, "--out", str(out), *small]) == 0
    if suffix == "npz":
        held = np.load(out)  # Without pickled objects.
        y = pandas.Series(held["y"]).replace("", None)
        assert len(held["features"]) == ROWS
    else:
        frame = pandas.read_csv(out) if suffix == "csv" else pyarrow.parquet.read_table(out).to_pandas()
        y = frame["y"]
        assert len(frame) == ROWS
    assert y.isna().tolist() == [row >= KNOWN for row in range(ROWS)]
    assert [int(float(str(label).removeprefix("k"))) for label in y[:KNOWN]] == KINDS[:KNOWN].tolist()


def test_many_classes_of_few_labels_are_classes_all_the_same():
    data = from_arrays("many", (X, np.where(np.arange(ROWS) < 15, np.arange(ROWS) % 10, np.nan)))
    support, query = few_shot_indices(data, 0, 1, 100)
    assert len(support) == 10 and len(query) == 5
    with pytest.raises(BadInput, match="15 train examples have 10 different labels, .*: name labels that are classes"):
        few_shot_indices(data, 0, 2, 100)
