"""A shared rule is a file in a folder, by its path or on a hub, and a card goes with it."""

import json
from pathlib import Path

import equinox as eqx
import jax.random as jr
import metarule
import pytest
from metarule.errors import BadInput
from metarule.launch.__main__ import main
from metarule.launch.encoders._trained_rule import TrainedRule
from metarule.launch.options._recipes import configuration_of, Lean
from metarule.launch.records import _hub
from metarule.launch.records._rule_file import save_rule


CHOICE = Lean(hidden=2, signal=1, readout=1)
RECORD = {"network": "3", "seed": 0, "steps": 12, "seconds": 8000.0, "sources": ["glyphs"]}


@pytest.fixture(scope="module")
def rule():
    return CHOICE.build(jr.key(1))


@pytest.fixture
def hub(rule, tmp_path, monkeypatch):
    """The form in which the hub's client keeps a repository, and no network."""
    constants = pytest.importorskip("huggingface_hub.constants")
    revision = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--someone--a-rule"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    save_rule(repository / "snapshots" / revision / "rule.safetensors", rule, configuration_of(CHOICE), RECORD)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return repository


def test_a_folder_a_file_and_a_repository_give_the_same_rule(rule, hub, tmp_path):
    save_rule(tmp_path / "run" / "rule.safetensors", rule, configuration_of(CHOICE), RECORD)
    for name in (tmp_path / "run", str(tmp_path / "run" / "rule.safetensors"), "hf:someone/a-rule"):
        assert bool(eqx.tree_equal(metarule.pretrained(name), rule))
    revision = "hf:someone/a-rule@0123456789abcdef0123456789abcdef01234567"
    assert bool(eqx.tree_equal(metarule.pretrained(revision), rule))
    assert TrainedRule.of("hf:someone/a-rule").folder == Path("runs/someone--a-rule")  # Never in the client's cache.


def test_what_the_hub_has_not_is_told_in_one_sentence(hub, monkeypatch, capsys):
    for name in ("hf:someone/another", "hf:someone/a-rule@main2"):
        with pytest.raises(BadInput, match=f"{name} can't be fetched"):
            metarule.pretrained(name)
    for name in ("hf:", "hf:someone", "hf:a/b/c", "hf:/b"):
        with pytest.raises(BadInput, match="written as hf:OWNER/NAME"):
            metarule.pretrained(name)
    assert main(["info", "hf:someone/another"]) == 2 and capsys.readouterr().err.count("\n") == 1

    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(_hub.importlib, "import_module", absent)
    with pytest.raises(BadInput, match=r"pip install 'metarule\[hub\]'"):
        metarule.pretrained("hf:someone/a-rule")


def test_a_card_has_results_use_cost_licence_and_citation(rule, tmp_path, capsys):
    save_rule(tmp_path / "rule.safetensors", rule, configuration_of(CHOICE), RECORD)
    row = {"task": "digits", "readout": "ridge", "accuracy": 0.8, "accuracies": [0.8], "stderr": 0.0, "seeds": 1}
    row |= {"labelled": 20, "unlabelled": 9, "steps": 3, "seconds": 0.1, "statistics": "none", "features": 3}
    rows = [{**row, "encoder": "meta-trained", "other_rows": False}, {**row, "encoder": "raw", "other_rows": False}]
    rows[1]["accuracy"] = 0.75
    (tmp_path / "results.json").write_text(json.dumps(rows))
    command = ["card", str(tmp_path), "--repository", "someone/a-rule", "--author", "Someone", "--licence", "mit"]
    assert main(command) == 0
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("---\nlibrary_name: metarule\nlicense: mit\n") and "\n# a-rule\n" in text
    assert "Mean of ridge: 80.0 %, 5.0 points above raw inputs." in text
    assert "| digits | meta-trained | 80.0 ± 0.0 |" in text and 'metarule.pretrained("hf:someone/a-rule")' in text
    assert "2.22 h of wall time for 12 meta-steps" in text and "Someone: someone/a-rule" in text
    assert "arXiv 1804.00222" in text and "null" not in text
