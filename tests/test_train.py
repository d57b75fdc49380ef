"""`metarule train` from its first step to its table, stopped and gone on with, and `metarule evaluate` after it."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import types
from typing import get_origin

import metarule.launch.training._meta_training
import pytest
import safetensors.numpy
from metarule.launch.__main__ import main
from metarule.launch.evaluation._protocol import READOUTS
from metarule.launch.evaluation._rows import Row
from metarule.launch.records._metrics import read_metrics
from metarule.launch.records._rule_file import read_header
from metarule.launch.records._run_folder import RunFolder
from metarule.launch.training._progress import Progress


SIZES = (
    "--rule.hidden 4 --rule.signal 2 --rule.readout 1 --networks 4 --ways 3 --shots 2 --batch-sizes 6 --averaging 0.5 "
    "--sources glyphs --augmentation none --estimator.population.tasks 2 --estimator.window.low 2 --horizon.low 4 "
    "--steps 8 --checkpoint-every 2 --validate-every 100 --evaluation-steps 3 --labels 2 --seeds 2"
).split()
STEPS = 8
ENCODERS = ("meta-trained", "untrained", "random-init", "raw", "kmeans")


def train(folder, *options):
    return main(["train", *SIZES, "--run", str(folder), *options])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert train(folder, "--json", str(folder.parent / "table.json")) == 0
    return folder


def arrays(folder):
    found = safetensors.numpy.load_file(folder / "rule.safetensors")
    return {name: (array.dtype, array.shape, array.tobytes()) for name, array in found.items()}


def measured(folder):
    """What the metrics say, except for how long it took."""
    return [{k: v for k, v in line.items() if "seconds" not in k} for line in read_metrics(folder / "metrics.jsonl")]


def test_what_a_run_leaves_behind(whole):
    assert sorted(os.listdir(whole)) == [
        "checkpoints", "configuration.json", "events", "metrics.jsonl", "results.json", "rule.safetensors",
        "snapshots",
    ]  # fmt: skip
    assert os.listdir(whole / "snapshots") and list(RunFolder(whole).snapshots) == [0, STEPS]
    assert [read_header(path)[1]["steps"] for path in RunFolder(whole).snapshots.values()] == [0, STEPS]
    assert len(os.listdir(whole / "checkpoints")) == 3 and any((whole / "events").iterdir())
    configuration = json.loads((whole / "configuration.json").read_text())
    assert configuration["preset"] == "quick" and configuration["rule"]["hidden"] == 4
    lines = measured(whole)
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert all(0 < line["meta_loss"] < 10 and line["gradient_norm"] > 0 and line["nonfinite"] == 0 for line in lines)
    assert "best_validation_loss" in lines[-1]
    built, record = read_header(whole / "rule.safetensors")
    assert built["architecture"] == "lean" and built["hidden"] == 4
    assert record["steps"] == STEPS and record["network"] == "4" and record["estimator"]["class"] == "TruncatedBackprop"


def test_the_table(whole):
    rows = json.loads((whole / "results.json").read_text())
    assert json.loads((whole.parent / "table.json").read_text()) == rows
    assert [(row["encoder"], row["readout"]) for row in rows] == [
        (encoder, readout) for encoder in ENCODERS for readout in READOUTS
    ]
    for row in rows:
        assert list(row) == list(Row.__annotations__)
        assert all(type(row[name]) is (get_origin(kind) or kind) for name, kind in Row.__annotations__.items())
        assert 0 < row["accuracy"] < 1 and 0 <= row["stderr"] < 0.5 and row["task"] == "digits"
        assert (row["seeds"], row["labelled"]) == (2, 20)
        assert row["steps"] == {"random-init": 0, "raw": 0, "kmeans": 25}.get(row["encoder"], 3)
        assert (row["unlabelled"] == 0) == (row["encoder"] in ("random-init", "raw"))


def test_evaluate_scores_the_rule_as_the_run_did(whole, tmp_path, capsys):
    out = tmp_path / "again.json"
    options = ["--labels", "2", "--seeds", "2", "--encoders", *ENCODERS]
    assert main(["evaluate", str(whole), *options, "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "meta-trained" in printed and "random-init" in printed
    drop = lambda rows: [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
    assert drop(json.loads(out.read_text())) == drop(json.loads((whole / "results.json").read_text()))


def test_another_seed_gives_another_rule(whole, tmp_path):
    assert train(tmp_path, "--seed", "1", "--held-out") == 0
    one, other = arrays(whole), arrays(tmp_path)
    assert one.keys() == other.keys() and one != other
    assert measured(tmp_path)[0]["meta_loss"] != measured(whole)[0]["meta_loss"]


def test_a_run_that_is_told_to_stop_saves_and_goes_on(whole, tmp_path, monkeypatch, capsys):
    update = Progress.update

    def stop(self, step, loss):
        update(self, step, loss)
        if step == 3:  # No step that is saved anyway.
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Progress, "update", stop)
    before = signal.getsignal(signal.SIGTERM)
    assert train(tmp_path) == 0
    assert "Stopped at step 3 and saved: go on with" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGTERM) == before
    assert not (tmp_path / "rule.safetensors").exists() and "3" in os.listdir(tmp_path / "checkpoints")
    monkeypatch.undo()
    assert train(tmp_path, "--resume") == 0
    assert arrays(tmp_path) == arrays(whole) and measured(tmp_path) == measured(whole)


@pytest.mark.parametrize("asked", [1, 2, 3])
def test_a_stop_at_any_moment_leaves_a_checkpoint_of_its_step(asked, tmp_path, monkeypatch, capsys):
    answers = iter([False] * asked)

    @contextlib.contextmanager
    def terminated(processes):
        yield types.SimpleNamespace(is_set=lambda: next(answers, True))

    monkeypatch.setattr(metarule.launch.training._meta_training, "_terminated", terminated)
    assert train(tmp_path) == 0
    step = re.search(r"Stopped at step (\d) and saved", capsys.readouterr().out)[1]
    assert step in os.listdir(tmp_path / "checkpoints") and int(step) < STEPS


def killed(folder, lines):
    """Starts a run in a process of its own, on one device as here, and kills it after so many lines of metrics."""
    command = [sys.executable, "-m", "metarule.launch", "train", *SIZES, "--run", str(folder), "--devices", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        metrics, deadline = folder / "metrics.jsonl", time.monotonic() + 300
        while not (metrics.exists() and metrics.read_bytes().count(b"\n") >= lines):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (folder / "rule.safetensors").exists()  # The last step ends with a validation, which takes long enough.


def test_a_killed_run_goes_on_to_the_same_rule(whole, tmp_path):
    killed(tmp_path, 5)
    assert train(tmp_path, "--resume") == 0
    assert arrays(tmp_path) == arrays(whole)
    assert measured(tmp_path) == measured(whole)
    assert (tmp_path / "results.json").exists()


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(whole, tmp_path, capsys):
    (tmp_path / "configuration.json").write_bytes((whole / "configuration.json").read_bytes())
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "metrics.jsonl").write_bytes((whole / "metrics.jsonl").read_bytes().splitlines(keepends=True)[0])
    assert train(tmp_path) == 2
    assert "continue it with --resume" in capsys.readouterr().err
    assert train(tmp_path, "--resume") == 0
    assert "no checkpoint yet" in capsys.readouterr().out
    assert arrays(tmp_path) == arrays(whole) and measured(tmp_path) == measured(whole)


def test_a_damaged_checkpoint_is_passed_over(whole, tmp_path, capsys):
    """The previous one is used, which is said, and the run still ends in the same rule."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    for file in (tmp_path / "checkpoints" / str(STEPS) / "state").rglob("*"):
        if file.is_file() and file.stat().st_size > 500:
            file.write_bytes(file.read_bytes()[:100])
    assert train(tmp_path, "--resume") == 0
    said = capsys.readouterr().out
    assert f"checkpoint of step {STEPS} is damaged" in said and f"step {STEPS - 2} is whole and was used" in said
    assert arrays(tmp_path) == arrays(whole) and measured(tmp_path) == measured(whole)


def test_a_finished_run_can_be_finished_again(whole, tmp_path):
    before = arrays(whole)
    lines = measured(whole)
    assert train(whole, "--resume") == 0
    assert arrays(whole) == before and measured(whole) == lines


def test_a_run_is_not_begun_over_another(whole, capsys):
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    assert train(whole) == 2
    assert "holds this run already: continue it with --resume" in capsys.readouterr().err
    assert train(whole, "--seed", "3") == 2
    assert "its seed is 0, not 3" in capsys.readouterr().err
    assert train(whole, "--seed", "3", "--resume") == 2
    assert {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()} == before


def test_a_run_may_begin_with_the_rule_of_another(whole, tmp_path, capsys):
    other = tmp_path / "other"
    assert train(other, "--start", str(whole), "--steps", "1") == 0
    snapshots = [safetensors.numpy.load_file(other / "snapshots" / "0000000.safetensors"), arrays(whole)]
    assert {name: (a.dtype, a.shape, a.tobytes()) for name, a in snapshots[0].items()} == snapshots[1]
    assert read_header(other / "rule.safetensors")[1]["start"] == str(whole)
    assert train(tmp_path / "wider", "--start", str(whole), "--rule.hidden", "5") == 2
    assert "another architecture" in capsys.readouterr().err and not (tmp_path / "wider").exists()
