"""The rules that come with the package."""

import json
import re

import jax
import metarule
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.launch.__main__ import main
from metarule.launch.records._rule_file import locate_rule, read_header, shipped
from metarule.rules import AbstractRule


NAMES = [name for name in shipped() if name != "default"]


def test_the_default_is_one_of_them():
    default, *others = shipped().values()
    assert default in others and locate_rule("default") == default
    same = jax.tree.map(lambda a, b: (a == b).all(), metarule.pretrained(), metarule.pretrained(default.stem))
    assert all(jax.tree.leaves(same))


@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_small_finite_rule_with_a_card(name, capsys):
    rule, path = metarule.pretrained(name), shipped()[name]
    assert isinstance(rule, AbstractRule) and path.stat().st_size < 2**20
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(rule))
    card = path.with_suffix(".md").read_text()
    for part in ("Data", "Cost", "Seed", "Results", "Licence", "Command"):
        assert re.search(rf"^## {part}", card, re.M), part
    _, record = read_header(path)
    assert f"--preset {record['preset']}" in card and f"seed {record['seed']}" in card.lower()
    assert main(["info", name]) == 0
    assert "## Command" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_each_makes_features_of_data_that_it_never_saw(name, tmp_path, capsys):
    """Its meta-training had no digits. A random start of the same perceptron gets about 80% on these.

    Alone only the default is meant to be far above that, and on its perceptron: random kernels are hard to beat.
    """

    def accuracy(*options):
        out = tmp_path / "table.json"
        command = ["evaluate", name, "--seeds", "3", "--queries", "300", "--json", str(out), "--encoders", *options]
        assert main(command) == 0
        return {(row["encoder"], row["readout"]): row["accuracy"] for row in json.loads(out.read_text())}

    network = read_header(shipped()[name])[1]["network"]
    nothing = "--skip", "0", "--prototypes", "0", "--memory", "0"
    alone = accuracy("meta-trained", "random-init", "--network", network, *nothing)
    in_use = accuracy("meta-trained", "raw")
    gain = 0.05 if shipped()[name] == shipped()["default"] else 0.005
    for readout in ("ridge", "logistic"):
        assert alone["meta-trained", readout] > alone["random-init", readout] + gain
        assert in_use["meta-trained", readout] > max(alone["meta-trained", readout], in_use["raw", readout]) + 0.02


def test_commands_take_the_default_rule(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savez("data.npz", x=np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32))
    assert main(["encode", "data.npz", "--steps", "3", "--out", "a.npz"]) == 0
    assert main(["encode", "default", "data.npz", "--steps", "3", "--out", "b.npz"]) == 0
    np.testing.assert_array_equal(np.load("a.npz")["features"], np.load("b.npz")["features"])
    assert metarule.UnsupervisedEncoder(steps=3).fit_transform(np.load("data.npz")["x"]).shape[0] == 40
    assert main(["encode", "default", "data.npz", "more", "--out", "c.npz"]) == 2
    assert "got 3 arguments" in capsys.readouterr().err


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(BadInput, match="There is no rule at absent: give a rule file, .* one of default, "):
        metarule.pretrained("absent")
    with pytest.raises(BadInput, match="one of default, "):
        locate_rule("absent")


def test_what_is_drawn_of_a_shipped_rule_is_not_written_into_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["figure", "moons", "default", "--values", "0", "2"]) == 0
    assert main(["report", "default"]) == 0
    name = locate_rule("default").stem
    assert (tmp_path / "runs" / name / "figures" / "moons.png").exists()
    assert "Two moons" in (tmp_path / "runs" / name / "report.html").read_text()
    assert {path.suffix for path in locate_rule("default").parent.iterdir()} == {".md", ".safetensors"}
