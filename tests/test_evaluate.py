"""`metarule evaluate`: what it scores, and what it refuses."""

import json
import os
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import metarule.launch.encoders._fitted
import numpy as np
import pytest
from metarule.launch.__main__ import main
from metarule.launch.evaluation._protocol import Protocol
from metarule.launch.options._recipes import configuration_of, Lean, Released
from metarule.launch.records._rule_file import save_rule
from metarule.models import MultiLayerPerceptron
from metarule.rules import AbstractRule
from metarule.tasks import from_arrays


CHOICE = Lean(hidden=4, signal=2, readout=1)
RECORD = {"seed": 0, "network": "4", "weight_scale": 0.1, "batch_size": 6, "evaluation_steps": 3}
QUICK = ["--labels", "2", "--seeds", "2", "--encoders", "meta-trained", "untrained", "random-init"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rule files, and data to score on."""
    folder = tmp_path_factory.mktemp("rules")
    untrained = CHOICE.build(jr.fold_in(jr.key(0), 0))
    save_rule(folder / "untrained", untrained, configuration_of(CHOICE), RECORD)
    trained = eqx.tree_at(lambda it: it.log_step_size, untrained, jnp.asarray(0.0))
    save_rule(folder / "trained", trained, configuration_of(CHOICE), RECORD)
    wide = {**configuration_of(CHOICE), "hidden": 5}
    save_rule(folder / "other", trained, wide, RECORD)
    save_rule(folder / "future", trained, {"architecture": "transformer"}, RECORD)
    save_rule(folder / "odd", trained, {**configuration_of(CHOICE), "depth": 3}, RECORD)
    released = Released(8, hidden=4, signal=2, readout=1, top_hidden=4)
    save_rule(folder / "released", released.build(jr.key(0)), configuration_of(released), RECORD)
    (folder / "cut").write_bytes((folder / "trained").read_bytes()[:-7])
    (folder / "run").mkdir()
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 20)
    x = generator.normal(size=(60, 4)) + 3 * np.eye(3, 4)[labels]
    np.savez(folder / "own.npz", x=x, y=labels)
    np.savez(folder / "nan.npz", x=np.where(x > 4, np.nan, x), y=labels)
    np.savez(folder / "one.npz", x=x, y=np.zeros(60))
    np.savez(folder / "short.npz", x=x, y=labels[:-1])
    np.savez(folder / "mixed.npz", x=np.array([np.zeros((3, 3)), np.zeros((4, 4))], object), y=[0, 1])
    (folder / "table.csv").write_text("size,colour\n3,red\n3,blue\n")
    (folder / "latin.csv").write_bytes("größe,colour\n3,red\n".encode("latin1"))
    return folder


def evaluate(folder, rule, tmp_path, *options):
    out = tmp_path / "table.json"
    assert main(["evaluate", str(folder / rule), *QUICK, "--json", str(out), *options]) == 0
    rows = json.loads(out.read_text())
    return {(row["encoder"], row["task"], row["readout"], row["steps"]): row for row in rows}


def accuracy(rows, encoder, steps):
    return [row["accuracy"] for (name, _, _, count), row in rows.items() if (name, count) == (encoder, steps)]


def test_a_rule_beside_its_baselines(folder, tmp_path, monkeypatch):
    traces = []
    fit = metarule.launch.encoders._fitted.fit
    counted = lambda *args, **options: traces.append(1) or fit(*args, **options)
    monkeypatch.setattr(metarule.launch.encoders._fitted, "fit", counted)
    rows = evaluate(folder, "trained", tmp_path, "--steps", "0", "4", "--tasks", "digits")
    assert len(rows) == 10 and len(traces) <= 1  # Neither a rule nor a number of steps is compiled anew.
    assert accuracy(rows, "meta-trained", 0) == accuracy(rows, "random-init", 0) == accuracy(rows, "untrained", 0)
    assert accuracy(rows, "meta-trained", 4) != accuracy(rows, "untrained", 4)
    same = evaluate(folder, "untrained", tmp_path, "--steps", "4")
    assert accuracy(same, "meta-trained", 4) == accuracy(same, "untrained", 4) == accuracy(rows, "untrained", 4)


def test_fewer_unlabelled_examples(folder, tmp_path):
    own = str(folder / "own.npz")
    few = evaluate(folder, "trained", tmp_path, "--tasks", own, "--unlabelled", "20")
    all_of_them = evaluate(folder, "trained", tmp_path, "--tasks", own, "--unlabelled", "1000")
    assert {row["unlabelled"] for row in few.values()} == {0, 20}
    assert {row["unlabelled"] for row in all_of_them.values()} == {0, 48}
    assert accuracy(few, "random-init", 0) == accuracy(all_of_them, "random-init", 0)
    assert accuracy(few, "meta-trained", 3) != accuracy(all_of_them, "meta-trained", 3)


def test_own_data_another_network_and_the_usual_steps(folder, tmp_path):
    own = str(folder / "own.npz")
    rows = evaluate(folder, "trained", tmp_path, "--tasks", own, "--network", "4-4", "--activation", "tanh")
    assert {task for _, task, _, _ in rows} == {own} and {steps for *_, steps in rows} == {0, 3}
    for row in rows.values():
        assert (row["seeds"], row["labelled"], row["unlabelled"]) == (2, 6, 48 if row["steps"] else 0)


class Identity(AbstractRule):
    """Makes a base model's features its inputs."""

    scale: jax.Array

    def init(self, model):
        return None

    def update(self, model, x, state):
        (synapse,) = model.synapses
        zero = jax.tree.map(lambda leaf: -leaf, synapse)
        zero = eqx.tree_at(lambda it: it.w, zero, self.scale * jnp.eye(*synapse.w.shape) - synapse.w)
        return eqx.tree_at(lambda it: list(it.synapses), model, [zero]), None


def test_baselines_quickly_and_with_frozen_statistics(folder, tmp_path, capsys):
    options = ["--tasks", str(folder / "own.npz"), "--statistics", "frozen", "--encoders", "random-init", "raw", "oja"]
    rows = evaluate(folder, "trained", tmp_path, *options, "--quick")
    title = "quickly: 2 seeds, 300 test and 10,000 unlabelled examples at most, 20% of the baselines' steps"
    assert title in " ".join(capsys.readouterr().out.split())
    found = {encoder: (row["statistics"], row["steps"], row["unlabelled"]) for (encoder, *_), row in rows.items()}
    assert found == {"random-init": ("frozen", 0, 48), "raw": ("none", 0, 0), "oja": ("frozen", 200, 48)}
    rows = evaluate(folder, "trained", tmp_path, *options, "--steps", "2", "5")
    assert {steps for encoder, *_, steps in rows if encoder == "oja"} == {2, 5}


def test_the_protocol_finds_what_the_features_hold():
    """Inputs that name their class are read off by heart from features that pass them on, and not from noise."""
    labels = np.repeat(np.arange(3), 30)
    x = np.eye(3, dtype=np.float32)[labels] + np.random.default_rng(0).normal(size=(90, 3), scale=0.05)
    protocol = Protocol(MultiLayerPerceptron((3,), jnp.tanh), labels=5, seeds=3, batch_size=6)
    noise = from_arrays("noise", (np.random.default_rng(1).normal(size=(90, 3)), labels))
    for data_set, low, high in ((from_arrays("classes", (x, labels)), 0.95, 1.0), (noise, 0.1, 0.6)):
        rows = protocol.rows([("identity", protocol.fitted(Identity(jnp.asarray(1.0)), 1))], [data_set])
        assert [row["readout"] for row in rows] == ["ridge", "logistic"]
        assert all(low <= row["accuracy"] <= high and row["steps"] == 1 for row in rows)


@pytest.mark.parametrize(
    "rule, options, said",
    [
        ("absent", "", ["There is no rule at"]),
        ("run", "", ["holds no rule"]),
        ("cut", "", ["damaged"]),
        ("other", "", ["another architecture", "float32[1,1,4] where float32[1,1,5] is expected", "'top.blocks.0"]),
        ("future", "", ["'transformer'", "lean"]),
        ("odd", "", ["'depth'"]),
        ("released", "", ["fits base models with 8 features, not 4"]),
        ("trained", "--tasks mnits", ["'mnits'", "metarule data list"]),
        ("trained", "--network 4-x", ["'4-x'"]),
        ("trained", "--activation sine", ["'sine'", "relu"]),
        ("trained", "--steps -1", ["--steps 0 or more"]),
        ("trained", "--labels 0", ["--labels"]),
        ("trained", "--seeds 0", ["--seeds"]),
        ("trained", "--encoders raw isomap", ["'isomap'", "pca", "krotov-hopfield"]),
        ("trained", "--batch-size 1", ["--batch-size", "2 or more"]),
        ("trained", "--unlabelled 0", ["--unlabelled", "2 or more"]),
        ("trained", "--labels 500", ["500 labels per class"]),
        ("trained", "--tasks FOLDER/one.npz", ["1 class"]),
        ("trained", "--tasks FOLDER/table.csv:price", ["no column 'price'", "size, colour"]),
        ("trained", "--tasks FOLDER/table.csv:colour", ["no column varies: give at least one that does"]),
        ("trained", "--tasks FOLDER/latin.csv:colour", ["not UTF-8"]),
        ("trained", "--tasks FOLDER/own.npz --csv FOLDER/own.npz", ["is an input"]),
        ("trained", "--tasks FOLDER/mixed.npz", ["all examples of one size"]),
        ("trained", "--tasks tfds:cifar10 --data-dir FOLDER", ["metarule data prepare cifar10"]),
        ("trained", "--tasks FOLDER/short.npz", ["60 examples but labels of shape (59,)"]),
        ("trained", "--tasks FOLDER/own.npz --labels 17", ["17 labels per class"]),
    ],
)
def test_evaluate_refuses(rule, options, said, folder, tmp_path, capsys):
    out = tmp_path / "table.json"
    options = options.replace("FOLDER", str(folder)).split()
    assert main(["evaluate", str(folder / rule), "--json", str(out), *options]) == 2
    printed, err = capsys.readouterr()
    assert not printed and err.startswith("metarule: ") and err.count("\n") == 1
    assert all(each in err for each in said), err
    assert not os.listdir(tmp_path)


def test_what_can_not_be_read_is_named_and_the_rest_is_scored(folder, tmp_path, capsys):
    tables = [str(folder / name) for name in ("one.npz", "own.npz", "short.npz")]
    out = tmp_path / "table.json"
    command = ["evaluate", str(folder / "trained"), *QUICK, "--encoders", "raw", "--json", str(out), "--tasks", *tables]
    assert main(command) == 2
    printed, err = capsys.readouterr()
    assert [line.partition(": ")[0] for line in err.splitlines()] == ["metarule"] * 2
    assert "one.npz has 1 class" in err and "60 examples but labels of shape (59,)" in err
    assert {row["task"] for row in json.loads(out.read_text())} == {tables[1]} and "own.npz: accuracy" in printed


def test_help_names_the_defaults(capsys):
    assert main(["evaluate", "--help"]) == 0
    shown = re.sub(r"[\s│]+", " ", capsys.readouterr().out)  # as one line, without its box
    assert "(default: digits)" in shown and "(default: 10)" in shown and "(default: 1000)" in shown
