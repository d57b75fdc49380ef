"""What a person types: presets, choices by name, and one clear sentence for what can't be used."""

import dataclasses
import functools
import json
import os
import re

import equinox as eqx
import jax
import jax.random as jr
import metarule.launch.options._problems
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.launch.__main__ import main
from metarule.launch.options._command_line import parse_training
from metarule.launch.options._estimators import ESTIMATORS, with_estimator
from metarule.launch.options._ingredients import INGREDIENTS
from metarule.launch.options._networks import ACTIVATIONS
from metarule.launch.options._presets import PRESETS
from metarule.launch.options._problems import problems_of
from metarule.launch.options._training import RunOptions
from metarule.launch.records._description import describe
from metarule.launch.records._run_folder import RunFolder
from metarule.meta.estimators import AbstractEstimator


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Where a run without --run would be written."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def refusal(command, capsys, folder):
    """The sentence that a command line is refused with."""
    assert main(command.split() if isinstance(command, str) else command) == 2
    out, err = capsys.readouterr()
    assert not out and err.startswith("metarule: ") and err.endswith(".\n") and err.count("\n") == 1, err
    assert not os.listdir(folder)
    return err


@pytest.mark.parametrize(
    "options, said",
    [
        ("--preset tiny", ["'tiny'", *PRESETS]),
        ("--estimator guess", ["'guess'", *ESTIMATORS]),
        ("--estimator evosax:Guess", ["'Guess'", "SNES"]),
        ("--estimator evosax:NAME", ["evosax:SNES"]),
        ("--rule fat", ["'fat'", "lean", "released"]),
        ("--preset", ["--preset needs a value"]),
        ("--held-out mnits", ["'mnits'", "mnist28", "metarule data list", "PATH.npz"]),
        ("--sources mnits", ["'mnits'", "metarule data list"]),
        ("--sources", ["--sources"]),
        ("--augmentation heavy", ["'heavy'", "light", "full"]),
        ("--objective l1", ["'l1'", "cosine", "hinge", "MODULE:CLASS"]),
        ("--activation sine", ["'sine'", *ACTIVATIONS]),
        ("--networks 32-x", ["'32-x'", "64-64-32"]),
        ("--networks 32-0", ["'32-0'", "64-64-32"]),
        ("--networks=-3", ["'-3'", "64-64-32"]),
        ("--rule.without salt", ["'salt'", *INGREDIENTS]),
        (f"--rule.without {' '.join(tuple(INGREDIENTS)[:12])}", ["at least one weight-change term"]),
        ("--rule.width 2", ["--rule.width", "odd"]),
        ("--rule.hidden 0", ["--rule.hidden", "1 or more"]),
        ("--rule.step-size 0", ["--rule.step-size", "above 0"]),
        ("--estimator.window.low 200", ["200", "100"]),
        ("--steps 0", ["--steps must be 1 or more; got 0"]),
        ("--steps=-5", ["--steps must be 1 or more; got -5"]),
        ("--seeds 0", ["--seeds"]),
        ("--labels 0", ["--labels"]),
        ("--averaging 1", ["--averaging"]),
        ("--weight-scale 0", ["--weight-scale must be above 0; got 0"]),
        ("--learning-rate nan", ["--learning-rate must be above 0; got nan"]),
        ("--ways 1", ["at least two classes"]),
        ("--ways 5000", ["5000 classes"]),
        ("--batch-sizes 1", ["batches of two"]),
        ("--labels 1000", ["1000 labels per class"]),
        ("--rule released --rule.hidden 4 --rule.outputs 8", ["8 features, not 32"]),
        ("--resume", ["no run of quick with seed 0"]),
        ("--resume --run nowhere", ["nowhere", "holds no run"]),
    ],
)
def test_train_refuses(options, said, capsys, empty_folder):
    sentence = refusal(f"train {options}", capsys, empty_folder)
    assert all(each in sentence for each in said), sentence


@pytest.mark.parametrize(
    "options, said",
    [
        ("--horizon.low 0", "1 <= low <= high"),
        ("--estimator.window.low=-2", "1 <= low <= high"),
        ("--estimator.population.tasks 0", "1 or more tasks"),
        ("--estimator.population.per-task 2", "more tasks instead"),
        ("--estimator.clip 0", "above zero"),
    ],
)
def test_what_an_object_refuses_is_passed_on(options, said, capsys, empty_folder):
    assert main(["train", *options.split()]) == 2
    out, err = capsys.readouterr()
    assert not out and said in re.sub(r"[\s│]+", " ", err) and not os.listdir(empty_folder)


def save(path, x, y):
    np.savez(path, x=x, y=y)
    return str(path)


IMAGES = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
LABELS = np.repeat(np.arange(4), 10)


@pytest.mark.parametrize(
    "x, y, said",
    [
        (np.where(IMAGES < 9, np.nan, IMAGES / 255), LABELS, "NaN"),
        (IMAGES, np.full(len(LABELS), np.nan), "has no labels"),
        (IMAGES, np.zeros(40, int), "has 1 class"),
        (IMAGES, LABELS[:39], "40 examples but labels of shape (39,)"),
        (IMAGES, np.minimum(LABELS, 1) * (np.arange(40) > 2), "fewer than the 10 labels per class"),
        (IMAGES[:, :7], LABELS, "not square"),
        (IMAGES.astype(object), LABELS, "can't be read"),
        (IMAGES.ravel(), LABELS, "inputs of shape (2560,)"),
    ],
    ids=["nan", "nan-labels", "one-class", "label-count", "too-few", "not-square", "objects", "flat"],
)
def test_train_refuses_data(x, y, said, tmp_path, capsys, empty_folder):
    path = save(tmp_path / "data.npz", x, y)
    few = said.startswith("fewer")  # Meta-training draws from a small class with repetition.
    for option in ("--held-out",) if few else ("--held-out", "--sources"):
        sentence = refusal(["train", option, path], capsys, empty_folder)
        assert said in sentence and path in sentence


def test_train_refuses_missing_files(tmp_path, capsys, empty_folder, monkeypatch):
    monkeypatch.delenv("METARULE_DATA", raising=False)
    assert "absent.npz" in refusal("train --held-out absent.npz", capsys, empty_folder)
    assert "mnist" in refusal("train --held-out mnist14", capsys, empty_folder)
    sentence = refusal(f"train --held-out mnist14 --data-dir {tmp_path}", capsys, empty_folder)
    assert str(tmp_path) in sentence


def test_another_configuration_in_the_folder(tmp_path, capsys, empty_folder):
    training = dataclasses.replace(PRESETS["quick"], networks=("4",), augmentation="none", learning_rate=0.5)
    run = RunFolder.create(tmp_path / "run", describe(training))
    before = run.configuration.read_bytes()
    command = f"train --networks 4 --augmentation none --run {run.path}"
    for line in (command, command + " --resume"):
        assert "its learning_rate is 0.5, not 0.01" in refusal(line, capsys, empty_folder)
    (tmp_path / "file").write_text("mine")
    assert "is a file" in refusal(command.replace(str(run.path), str(tmp_path / "file")), capsys, empty_folder)
    assert os.listdir(run.path) == ["configuration.json"] and run.configuration.read_bytes() == before
    assert (tmp_path / "file").read_text() == "mine"


def help_of(command, capsys):
    assert main([*command, "--help"]) == 0
    out, err = capsys.readouterr()
    assert not err
    return re.sub(r"[\s│]+", " ", out)


@pytest.mark.parametrize("preset", PRESETS)
def test_help_shows_what_a_preset_stands_for(preset, capsys):
    shown = help_of(["train", "--preset", preset], capsys)
    assert all(name in shown for name in PRESETS)
    for field in dataclasses.fields(PRESETS[preset]):
        value = getattr(PRESETS[preset], field.name)
        named = ("preset", "tasks_per_step", "regression_targets", "seed")  # Not options, or without a default shown.
        if isinstance(value, int | float | str | tuple) and field.name not in named:
            text = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            option = f"--{field.name.replace('_', '-')} "
            (said,) = re.findall(re.escape(option) + r".*?\(default: (.*?)\)", shown)
            assert said == text, option


def test_help_of_a_choice_shows_its_options(capsys):
    assert "--rule.outputs INT" in help_of(["train", "--rule", "released"], capsys)
    assert "--estimator.noise.scale FLOAT" in help_of(["train", "--estimator", "pes"], capsys)
    assert "--estimator.window.low" not in help_of(["train", "--estimator", "full-es"], capsys)


def test_every_preset_is_plain_json():
    described = {name: describe(training) for name, training in PRESETS.items()}
    assert json.loads(json.dumps(described)) == described
    assert len({json.dumps(each) for each in described.values()}) == len(PRESETS)
    for each in described.values():
        assert each["estimator"]["class"] == "TruncatedBackprop" and "horizon" in each


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_estimator_suits_every_preset(name, preset):
    training = with_estimator(PRESETS[preset], name)
    assert isinstance(training.estimator, AbstractEstimator)
    text = json.dumps(describe(training))
    assert " at 0x" not in text  # Else no two processes would agree on what a run's configuration is.
    assert dataclasses.replace(training, estimator=PRESETS[preset].estimator) == PRESETS[preset]
    metarule.launch.options._problems._check(training)


def test_evosax_searches_are_chosen_by_name():
    training = with_estimator(PRESETS["quick"], "evosax:SNES")
    assert training.optimiser == "sgd" and " at 0x" not in json.dumps(describe(training))


def test_options_reach_the_training():
    line = "--preset small --estimator pes --rule lean --rule.hidden 5 --networks 8-4 6 --steps 7 --run a/b --resume"
    training, run = parse_training(line.split(), RunOptions())
    assert training.preset == "small" and training.rule.hidden == 5 and training.networks == ("8-4", "6")
    assert training.steps == 7 and type(training.estimator).__name__ == "PES"
    assert training.side == PRESETS["small"].side and run.resume and str(run.run) == "a/b"
    assert parse_training([], RunOptions())[0] == PRESETS["quick"]
    assert parse_training(["--preset=paper"], RunOptions())[0] == PRESETS["paper"]


def test_networks_and_batch_sizes_take_turns():
    training = dataclasses.replace(
        PRESETS["quick"], networks=("8-4", "6", "5"), batch_sizes=(8, 9), activation="tanh", ways=3
    )
    problems, (validation,) = problems_of(training, None)
    assert [problem.architecture.widths for problem in problems] == [(8, 4), (6,), (5,)]
    assert [problem.tasks.batch_size for problem in problems] == [8, 9, 8]
    assert all(problem.architecture.activation is ACTIVATIONS["tanh"] for problem in problems)
    assert validation.tasks.pool is not problems[0].tasks.pool
    with pytest.raises(BadInput, match="at least one"):
        problems_of(dataclasses.replace(training, networks=()), None)


def test_images_and_vectors_take_turns_and_each_is_validated(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    np.savez(tmp_path / "mine.npz", x=x, y=np.arange(60) % 2)
    sources = ("glyphs", "topics", str(tmp_path / "mine.npz"), "shapes")
    training = dataclasses.replace(PRESETS["quick"], networks=("8-4", "6"), sources=sources, ways=3, shots=2)
    problems, validation = problems_of(training, None)
    assert [problem.tasks.shape for problem in problems] == [(64,), (5,), (256,)] * 2
    assert [problem.tasks.ways for problem in problems] == [3, 2, 3] * 2  # A table has the classes that it has.
    assert [problem.architecture.widths for problem in problems] == [(8, 4)] * 3 + [(6,)] * 3
    assert [problem.tasks.shape for problem in validation] == [(64,), (256,)]
    assert not set(map(tuple, np.asarray(validation[1].tasks.pool.examples))) & set(
        map(tuple, np.asarray(problems[2].tasks.pool.examples))
    )
    only = problems_of(dataclasses.replace(training, sources=("topics",)), None)
    assert [problem.tasks.shape for problem in (*only[0], *only[1])] == [(256,)] * 3
    sources = ("tables", "glyphs")
    tables = problems_of(dataclasses.replace(training, sources=sources, batch_sizes=(5, 7)), None)
    assert [problem.tasks.shape for problem in tables[0]] == [(64,), (32,)] * 2
    assert [problem.tasks.batch_size for problem in tables[0]] == [5, 5, 7, 7] and tables[0][1].tasks.ways == 3
    assert [problem.tasks.shape for problem in tables[1]] == [(64,), (32,)]


def test_functions_are_described_by_what_they_are_and_not_by_where_they_lie():
    network = eqx.nn.MLP(1, 1, 2, 1, key=jr.key(0))
    given = [jax.nn.relu, jax.jit(jax.numpy.tanh), functools.partial(max, 2), lambda x: x, network]
    assert " at 0x" not in json.dumps(describe(given)) and describe(given)[0] != describe(given)[1]
