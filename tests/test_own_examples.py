"""The examples in docs/ of classes of one's own, from outside the package, by the command line."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from metarule.launch.__main__ import main
from metarule.launch.records._metrics import read_metrics


DOCS = Path(__file__).parents[1] / "docs"
SIZES = (
    "--networks 6-4 --batch-sizes 6 --horizon.low 4 --steps 20 --validate-every 20 --evaluation-steps 3 --labels 2 "
    "--seeds 2 --devices 1"
)
OF_TASKS = "--ways 3 --shots 2 --sources glyphs --augmentation none"
SMALL = "--estimator.population.tasks 2 --estimator.window.low 2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder that holds copies of the examples."""
    folder = tmp_path_factory.mktemp("own")
    for file in DOCS.glob("own_*.py"):
        shutil.copy(file, folder)
    return folder


@pytest.fixture(autouse=True)
def there(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.mark.parametrize(
    "options, place, name",
    [
        (f"--rule own_rule:Plasticity {SMALL}", ("rule", "rule"), "own_rule:Plasticity"),
        (f"--rule own_term:WithCovariance --rule.hidden 4 {SMALL}", ("rule",), "own_term:WithCovariance"),
        (f"--rule own_rule:Plasticity --tasks own_tasks:Mixtures {SMALL}", ("tasks",), "own_tasks:Mixtures"),
        (f"--rule own_rule:Plasticity --objective own_objective:Prototypes {SMALL}", ("objective",),
         "own_objective:Prototypes"),
        ("--rule own_rule:Plasticity --estimator own_estimator:Differences --estimator.tasks 2", ("estimator",),
         "own_estimator:Differences"),
    ],
    ids=["rule", "term", "tasks", "objective", "estimator"],
)  # fmt: skip
def test_it_is_meta_trained(options, place, name, folder, request, capsys):
    run = request.node.callspec.id
    made = "" if "--tasks" in options else OF_TASKS
    assert main(["train", *SIZES.split(), *made.split(), *options.split(), "--run", run]) == 0
    # The command that is proposed next must work as it stands, so it names the class of the user's own rule.
    rule = next(word for word in options.split() if word.startswith("own_"))
    next_command = f"metarule evaluate {run} --rule-class {rule}"
    assert next_command in capsys.readouterr().out.replace("\n", " ")
    losses = [line["meta_loss"] for line in read_metrics(f"{run}/metrics.jsonl")]
    assert len(losses) == 20 and all(isinstance(loss, float) for loss in losses)
    described = json.loads((folder / run / "configuration.json").read_text())
    for field in place:
        described = described[field]
    assert described["class"] == name
    assert (folder / run / "rule.safetensors").exists() and (folder / run / "results.json").exists()


def test_an_encoder_and_a_readout_are_scored(folder):
    options = "--readouts ridge own_readout:nearest_mean --tasks digits --seeds 3 --queries 300 --json rows.json"
    assert main(["evaluate", "--encoders", "raw", "own_encoder:RandomFourier", *options.split()]) == 0
    rows = {(row["encoder"], row["readout"]): row["accuracy"] for row in json.loads((folder / "rows.json").read_text())}
    assert len(rows) == 4 and all(accuracy > 0.75 for accuracy in rows.values())


def test_a_figure_is_drawn(folder):
    options = "--tasks digits --steps 2 --out figures"
    assert main(["figure", "own_figure:spectrum", "default", *options.split()]) == 0
    assert {path.suffix for path in (folder / "figures").glob("spectrum.*")} == {".png", ".csv", ".json"}


def test_a_command_is_run(capsys):
    assert main(["own_command:count", "default"]) == 0
    assert "2,081 meta-parameters" in capsys.readouterr().out
    assert main(["own_command:count"]) == 2 and "Name one or more rules" in capsys.readouterr().err
