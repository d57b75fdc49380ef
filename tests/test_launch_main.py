import subprocess
import sys
import time

import metarule.launch.commands.look._info
import pytest
from metarule.errors import BadInput
from metarule.launch import __main__ as program


def test_help_is_instant_and_names_every_command():
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        end = subprocess.run([sys.executable, "-m", "metarule.launch", "--help"], capture_output=True, text=True)
        seconds.append(time.perf_counter() - begin)
        assert end.returncode == 0 and not end.stderr
    assert all(f"  {name}  " in end.stdout for name in program._COMMANDS)
    assert min(seconds) < 0.5


def test_version(capsys):
    assert program.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("metarule 0")


def test_an_unknown_command_lists_the_known(capsys):
    assert program.main(["trian"]) == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1 and "'trian'" in err and "train, ablate" in err


@pytest.mark.parametrize("name", program._COMMANDS)
def test_every_command_explains_itself(name, capsys):
    assert program.main([name, "--help"]) == 0
    assert f"usage: metarule {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", program._COMMANDS)
def test_a_mistyped_option_ends_with_2(name, capsys):
    assert program.main([name, "--no-such-option"]) == 2


@pytest.mark.parametrize("error, code", [(BadInput("Say it so."), 2), (KeyboardInterrupt(), 130), (SystemExit(3), 3)])
def test_exit_codes(error, code, monkeypatch, capsys):
    def fail(arguments):
        raise error

    monkeypatch.setattr(metarule.launch.commands.look._info, "main", fail)
    assert program.main(["info"]) == code
    if code == 2:
        assert capsys.readouterr() == ("", "metarule: Say it so.\n")


def test_other_errors_keep_their_traceback(monkeypatch):
    def fail(arguments):
        raise ValueError("a bug")

    monkeypatch.setattr(metarule.launch.commands.look._info, "main", fail)
    with pytest.raises(ValueError, match="a bug"):
        program.main(["info"])


def test_info(capsys):
    assert program.main(["info"]) == 0
    out = capsys.readouterr().out
    assert "cpu:0" in out or "cuda:0" in out
    assert "equinox" in out and "digits" in out


def test_info_of_a_rule(tmp_path, capsys):
    import jax.numpy as jnp
    from metarule.launch.records._rule_file import save_rule

    save_rule(tmp_path / "rule.safetensors", jnp.zeros(3), {"architecture": "lean"}, {"seed": 41})
    assert program.main(["info", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "architecture: lean" in out and "seed: 41" in out
    assert program.main(["info", str(tmp_path / "absent")]) == 2
    assert "There is no rule at" in capsys.readouterr().err


def test_data(tmp_path, capsys):
    assert program.main(["data", "list", "--data-dir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "digits" in out and "built in" in out and "mnist14" in out
