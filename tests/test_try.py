"""`metarule try`: what it measures, and what it advises."""

import json
from pathlib import Path

import jax.random as jr
import numpy as np
import pandas
import pytest
from metarule.launch.__main__ import main
from metarule.launch.encoders._raw import Raw
from metarule.launch.evaluation._advice import advice
from metarule.launch.evaluation._hidden_columns import hidden_column_rows, hide_columns, predicted_share
from metarule.launch.options._recipes import configuration_of, Lean
from metarule.launch.records._rule_file import save_rule


RECORD = {"network": "3", "weight_scale": 0.5, "batch_size": 5, "evaluation_steps": 2}
CHOICE = Lean(hidden=2, signal=1, readout=1)
RANDOM = np.random.default_rng(0)
KINDS = np.repeat(["b", "a"], 20)
X = RANDOM.normal(size=(40, 3)) + 2 * (KINDS == "a")[:, None]


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A place with a rule and tables, where the tests of this file run."""
    folder = tmp_path_factory.mktemp("try")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        save_rule("rule", CHOICE.build(jr.key(0)), configuration_of(CHOICE), RECORD)
        frame = pandas.DataFrame(X, columns=["a", "b", "c"])
        frame.assign(kind=KINDS, number=range(40)).to_csv("table.csv", index=False)
        frame[["a"]].to_csv("single.csv", index=False)
        yield folder


def row(encoder, accuracies, readout="ridge"):
    return {"encoder": encoder, "task": "t", "readout": readout, "steps": 0, "accuracies": accuracies}


NAMES = {"raw": "raw inputs", "kmeans": "k-means", "meta-trained": "the rule"}


BEST = ", the simplest within a standard error of the best, which is the rule:"
ADVICE = {  # Accuracies of two seeds by encoder, and what is advised.
    # Differences of the rule and k-means: 4 and 6 points, whose standard error is 1.
    "the rule here: it is 5.0 points above k-means (standard error 1.0)": [[0.5, 0.5], [0.6, 0.7], [0.64, 0.76]],
    "k-means here: the rule is 5.0 points below (standard error 1.0)": [[0.5, 0.5], [0.64, 0.76], [0.6, 0.7]],
    # The rule is best, by 1 and -0.6 points: the standard error is 0.8.
    f"raw inputs here{BEST} the rule is 0.2 points above (standard error 0.8)": [
        [0.7, 0.8],
        [0.5, 0.5],
        [0.71, 0.794],
    ],
    "raw inputs here: the rule has the same scores": [[0.7, 0.8], [0.7, 0.8], [0.7, 0.8]],
}


@pytest.mark.parametrize("sentence, accuracies", ADVICE.items())
def test_the_advice_is_the_simplest_within_a_standard_error_of_the_best(sentence, accuracies):
    rows = [row(name, values, readout) for name, values in zip(NAMES, accuracies) for readout in ("ridge", "logistic")]
    assert advice(rows, NAMES, "points", 0.2) == f"Use {sentence}."


@pytest.mark.parametrize("guessing, advised", [(0.49, True), (0.51, False)])
def test_nothing_is_advised_where_the_best_is_no_better_than_guessing(guessing, advised):
    # The best one is at 0.7 with a standard error of 0.1: two of them lead to 0.5.
    rows = [row(name, values) for name, values in zip(NAMES, [[0.5, 0.5], [0.6, 0.8], [0.4, 0.4]])]
    distance = f"{70 - 100 * guessing:.1f} points above (standard error 10.0)"
    refusal = f"No advice: not even the best here, k-means, is clearly better than guessing, {distance}."
    assert advised == (advice(rows, NAMES, "points", guessing) != refusal)


def test_the_share_that_is_predicted():
    true = RANDOM.normal(size=(50, 3)) + 1
    assert predicted_share(true, true) == 1
    assert predicted_share(np.broadcast_to(true.mean(0), true.shape), true) == pytest.approx(0, abs=1e-12)
    assert predicted_share(-true, true) == 0
    assert predicted_share(true, np.ones((50, 3))) == 0
    half = true.mean(0) + (true - true.mean(0)) / 2
    assert predicted_share(half, true) == pytest.approx(0.75)


def test_every_column_is_hidden_once_with_all_inputs_that_are_made_of_it():
    colours = np.array(["red", "blue", "green"])[np.arange(60) % 3]
    frame = pandas.DataFrame({"size": RANDOM.normal(size=60), "colour": colours, "same": 1.0})
    folds = hide_columns(frame[:50], frame[50:])
    assert len(folds) == 2 and len({tuple(part.shape for part in fold) for fold in folds}) == 1
    used = [tuple((part != 0).any(0).sum() for part in (fold.train, fold.train_hidden)) for fold in folds]
    assert sorted(used) == [(1, 3), (3, 1)]  # Colours are seen while the size is hidden, or the other way round.
    many = hide_columns(RANDOM.normal(size=(50, 25)), RANDOM.normal(size=(9, 25)))
    assert len(many) == 10 and sum((fold.train_hidden != 0).any(0).sum() for fold in many) == 25
    assert many[0].test.shape == (9, 23) and many[0].test_hidden.shape == (9, 3)


def test_hidden_columns_are_predicted_where_the_others_tell_them():
    x = RANDOM.normal(size=(300, 2))
    told = hide_columns(np.column_stack([x, x.sum(1)])[:200], np.column_stack([x, x.sum(1)])[200:])
    noise = hide_columns(x[:200], x[200:])
    linear, near = hidden_column_rows("told", [("raw", Raw())], told)
    assert linear["readout"] == "linear" and linear["accuracies"] == pytest.approx([1, 1, 1], abs=1e-3)
    assert 0.5 < near["accuracy"] < 0.98 and near["seeds"] == 3 and linear["labelled"] == 200
    assert all(row["accuracy"] < 0.05 for row in hidden_column_rows("noise", [("raw", Raw())], noise))


def test_with_labels_it_is_the_protocol_of_evaluate(capsys):
    options = ["--seeds", "2", "--json", "tried.json"]
    assert main(["try", "rule", "table.csv:kind", "--drop", "number", "--per-class", "3", *options]) == 0
    out = capsys.readouterr().out
    assert "accuracy with 3 labels per class" in out and out.splitlines()[-1].startswith("Use ")
    frame = pandas.read_csv("table.csv").drop(columns="number")
    frame.to_csv("plain.csv", index=False)
    command = ["evaluate", "rule", "--tasks", "plain.csv:kind", "--labels", "3", "--seeds", "2"]
    assert main([*command, "--encoders", "raw", "meta-trained", "--json", "scored.json"]) == 0
    tried, scored = ({(row["encoder"], row["readout"]): row["accuracies"] for row in json.loads(Path(file).read_text())}
                     for file in ("tried.json", "scored.json"))  # fmt: skip
    assert {encoder for encoder, _ in tried} == {"raw", "pca", "kmeans-256", "kmeans-256+pca", "meta-trained"}
    assert len(scored) == 4 and scored.items() <= tried.items()


def test_without_labels_hidden_columns_are_predicted_and_all_is_written(capsys):
    outputs = ["--page", "page.html", "--out", "features.csv", "--csv", "rows.csv"]
    assert main(["try", "rule", "table.csv", "--drop", "kind", "number", *outputs]) == 0
    table, _, rest = capsys.readouterr().out.partition("Use ")
    assert "hidden columns" in table and "over 3 parts" in table
    assert "features [40, 3].\nColumns were read as numbers: a, b, c." in rest
    assert f"Use {rest.splitlines()[0]}" in Path("page.html").read_text().replace("&#x27;", "'")
    assert set(pandas.read_csv("rows.csv")["readout"]) == {"linear", "neighbours"}
    assert main(["encode", "rule", "table.csv", "--drop", "kind", "number", "--out", "encoded.csv"]) == 0
    assert Path("features.csv").read_text() == Path("encoded.csv").read_text()


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["rule", "table.csv:number"], "has 40 classes for 40 examples"),
        (["rule", "single.csv"], "There is one column"),
        (["rule", "table.csv:kind", "--page", "table.csv"], "is an input"),
        (["rule", "table.csv:kind", "--json", "table.csv"], "is an input"),
        (["rule", "table.csv:kind", "--seeds", "1"], "--seeds 2 or more"),
        (["rule", "table.csv:kind", "--out", "features.txt"], "let it end in one of"),
        (["rule", "table.csv:kind", "--seed", "3"], "--seed is that of the features in --out"),
    ],
)
def test_what_cant_be_tried_is_said_in_one_sentence(arguments, sentence, capsys):
    assert main(["try", *arguments]) == 2
    out, err = capsys.readouterr()
    assert sentence in err and err.count("\n") == 1 and not out


@pytest.mark.parametrize("shape", [(40, 4, 6), (40, 4, 4, 3)])
def test_pixels_of_images_are_hidden(shape):
    images = RANDOM.integers(0, 256, shape).astype(np.uint8)
    folds = hide_columns(images[:30], images[30:])
    assert len(folds) == 10 and folds[0].train.max() <= 1
    assert sum(fold.train_hidden.any(0).sum() for fold in folds) == np.prod(shape[1:])


def test_a_column_beside_a_constant_is_tried_by_what_it_becomes():
    said = [f"{'good' if place % 2 else 'bad'} day number {place % 3}" for place in range(30)]
    frame = pandas.DataFrame({"said": said, "language": "en"})
    folds = hide_columns(frame[:20], frame[20:])
    assert len(folds) == 6 and folds[0].train.shape == (20, 5)  # A text of six values: an input for each.
