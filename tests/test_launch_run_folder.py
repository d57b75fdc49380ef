import json
import math
import os

import jax.numpy as jnp
import pytest
from metarule.errors import BadInput
from metarule.launch.records._metrics import Metrics, read_metrics
from metarule.launch.records._run_folder import RunFolder


CONFIGURATION = {"preset": "quick", "seed": 0, "steps": 10, "estimator": {"window": 5}}


def test_create_and_open(tmp_path):
    run = RunFolder.create(tmp_path / "runs" / "one", CONFIGURATION)
    assert run.read_configuration() == CONFIGURATION
    assert RunFolder.open(run.path, CONFIGURATION) == run == RunFolder.open(run.path)
    assert RunFolder.create(run.path, CONFIGURATION) == run  # Nothing has happened in it yet.


def test_another_configuration_is_refused_and_nothing_changes(tmp_path):
    run = RunFolder.create(tmp_path, CONFIGURATION)
    before = run.configuration.read_bytes()
    other = CONFIGURATION | {"estimator": {"window": 7}}
    for use in (RunFolder.create, RunFolder.open):
        with pytest.raises(BadInput, match=r"its estimator.window is 5, not 7; choose another --run"):
            use(tmp_path, other)
    with pytest.raises(BadInput, match="its width is not set, not 3"):
        RunFolder.open(tmp_path, CONFIGURATION | {"width": 3})
    assert run.configuration.read_bytes() == before and os.listdir(tmp_path) == ["configuration.json"]


def test_what_may_change(tmp_path):
    RunFolder.create(tmp_path, CONFIGURATION)
    run = RunFolder.open(tmp_path, CONFIGURATION | {"steps": 20}, may_change=("steps",))
    assert run.read_configuration()["steps"] == 20


def test_a_run_is_not_begun_twice(tmp_path):
    run = RunFolder.create(tmp_path, CONFIGURATION)
    run.metrics.write_text("")
    with pytest.raises(BadInput, match="holds this run already: continue it with --resume"):
        RunFolder.create(tmp_path, CONFIGURATION)


def test_folders_that_are_none(tmp_path):
    with pytest.raises(BadInput, match="holds no run: start one without --resume"):
        RunFolder.open(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="is a file"):
        RunFolder.create(tmp_path / "file", CONFIGURATION)
    with pytest.raises(BadInput, match="Can't write"):
        RunFolder.create(tmp_path / "file" / "run", CONFIGURATION)
    (tmp_path / "configuration.json").write_text("{")
    with pytest.raises(BadInput, match="can't be read"):
        RunFolder.open(tmp_path)


def test_metrics_are_written_and_a_resume_repeats_none(tmp_path):
    run = RunFolder.create(tmp_path, CONFIGURATION)
    with Metrics(run) as metrics:
        for step in range(1, 6):
            metrics.write(step, {"loss": jnp.asarray(step / 2), "left_out": 0})
        metrics.write(6, {"loss": math.nan, "left_out": math.inf})
    with run.metrics.open("a") as file:
        file.write('{"step": 7, "lo')  # The process was killed here.
    lines = read_metrics(run.metrics)
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert lines[1] == {"step": 2, "loss": 1.0, "left_out": 0}
    assert math.isnan(lines[5]["loss"]) and lines[5]["left_out"] == math.inf
    strict = run.metrics.read_text().splitlines()[5]
    assert json.loads(strict, parse_constant=pytest.fail)["loss"] == "NaN"

    with Metrics(run, start=4) as metrics:
        metrics.write(5, {"loss": 9.0, "left_out": 1})
    assert [(line["step"], line["loss"]) for line in read_metrics(run.metrics)] == [
        (1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0), (5, 9.0)
    ]  # fmt: skip
    assert any(file.name.startswith("events") for file in run.events.iterdir())
    with pytest.raises(BadInput, match="no metrics"):
        read_metrics(tmp_path / "absent")
