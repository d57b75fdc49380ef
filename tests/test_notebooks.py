"""The notebooks in docs/notebooks are what their scripts say; the scripts run, and what they claim is so."""

import json
import runpy
import warnings
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest


FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
make = runpy.run_path(str(FOLDER / "make.py"))


@pytest.mark.parametrize("name", make["SCRIPTS"])
def test_a_notebook_is_its_script(name):
    stored = json.loads((FOLDER / f"{name}.ipynb").read_text())
    made = make["notebook"](name)
    sources = [(cell["cell_type"], cell["id"], "".join(cell["source"])) for cell in stored["cells"]]
    assert sources == [(cell.cell_type, cell.id, cell.source) for cell in made.cells]
    assert f"blob/main/docs/notebooks/{name}.ipynb" in sources[0][2]


def test_the_notebooks_are_small():
    assert sum(file.stat().st_size for file in FOLDER.glob("*.ipynb")) < 400_000


def run(name, monkeypatch):
    """What a script has made, by name."""
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    monkeypatch.delenv("METARULE_DATA", raising=False)
    with matplotlib.rc_context({"backend": "Agg"}), warnings.catch_warnings():
        return runpy.run_path(str(FOLDER / f"{name}.py"))


def test_the_estimator_notebook_tells_biased_from_unbiased(monkeypatch):
    found = run("swap_the_estimator", monkeypatch)["found"]
    assert min(found["tbptt"].bias, found["es"].bias) > 0.5
    assert max(found[name].bias for name in ("backprop", "full-es", "pes", "nres")) < 0.2
    assert found["pes"].variance > 10 * found["tbptt"].variance


@pytest.mark.slow
def test_the_rule_notebook_learns(monkeypatch):
    made = run("a_rule_in_a_page", monkeypatch)
    assert made["after"] < made["before"] - 0.3


@pytest.mark.slow
def test_the_table_notebook_gains_on_digits(monkeypatch):
    assert run("features_for_your_table", monkeypatch)["gains"]["digits"].mean() > 4


@pytest.mark.slow
def test_the_ablation_notebook_finds_the_hebbian_term(monkeypatch):
    made = run("ablate_and_read", monkeypatch)
    assert made["worst"] == "no hebb" and made["losses"]["no hebb"] > 10


@pytest.mark.slow
def test_the_transfer_notebook_says_that_its_data_are_missing(monkeypatch, capsys):
    made = run("transfer_to_imdb", monkeypatch)
    assert "IMDB is not here" in capsys.readouterr().out
    assert made["task"] == "topics20" and made["best"] > made["others"]["random-init"] + 20
