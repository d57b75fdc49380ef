"""What README says is so: its Python runs, and its commands exist with the options that it shows."""

import re
import shlex
from pathlib import Path

import pytest
from metarule.launch.__main__ import main


README = (Path(__file__).parents[1] / "README.md").read_text()


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.S))
def test_python(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    assert names["features"].ndim == 2
    if "readout" in names:
        rows = slice(1, None, 18)
        assert names["readout"].score(names["features"][rows], names["y"][rows]) > 0.8


def commands():
    for block in re.findall(r"```\n(.*?)```", README, re.S):
        for line in block.splitlines():
            words = shlex.split(line.replace("&&", ";").split(";")[-1], comments=True)
            if words[:1] == ["metarule"]:
                yield words[1:]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_options(words, capsys):
    options = [word for word in words if word.startswith("--")]
    assert main([*words[:1], "--help"]) == 0
    text = capsys.readouterr().out
    for option in options:
        assert option in text, f"metarule {words[0]} has no {option}"
