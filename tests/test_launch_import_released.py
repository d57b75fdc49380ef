import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
from metarule.launch import __main__ as program
from metarule.launch.commands.machine._import_released import read_variables
from metarule.launch.records._rule_file import load_rule_like, read_header
from metarule.rules import released_from_variables


FIXTURES = Path(__file__).parent / "fixtures"
CHECKPOINT = FIXTURES / "checkpoint"
PREFIX = CHECKPOINT / "tf_graph_data.ckpt"
has_tensorflow = importlib.util.find_spec("tensorflow") is not None
needs_tensorflow = pytest.mark.skipif(not has_tensorflow, reason="TensorFlow, an optional extra, is not installed")
# TensorFlow's own modules warn while they are imported.
from_tensorflow = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def recorded():
    with np.load(FIXTURES / "a_noise.npz") as stored:
        return {name.removeprefix("theta/"): stored[name] for name in stored.files if name.startswith("theta/")}


@needs_tensorflow
@from_tensorflow
@pytest.mark.parametrize("given", [CHECKPOINT, PREFIX, PREFIX.with_name(PREFIX.name + ".index")])
def test_the_variables_are_those_of_the_fixture(given, recorded):
    variables = read_variables(given)
    assert len(variables) == 96
    assert all("/moving_" in name for name in variables.keys() ^ recorded.keys())
    assert all(np.array_equal(variables[name], recorded[name]) for name in recorded)


@needs_tensorflow
@from_tensorflow
def test_the_rule_file_holds_the_rule_of_the_fixture(tmp_path, recorded, capsys):
    out = tmp_path / "released.safetensors"
    assert program.main(["import-released", str(CHECKPOINT), str(out)]) == 0
    assert "96 variables with 110,070 numbers, for networks with 8 features" in capsys.readouterr().out
    configuration, _ = read_header(out)
    assert configuration["architecture"] == "released" and configuration["outputs"] == 8
    rule = released_from_variables(recorded)
    loaded = load_rule_like(out, rule)
    assert np.array_equal(loaded.outgoing.weight, recorded["MoreLocalWeightUpdateProcess/linear/w"])


@needs_tensorflow
@from_tensorflow
@pytest.mark.parametrize("file", [".index", ".data-00000-of-00001"])
def test_a_truncated_checkpoint(file, tmp_path, capsys):
    folder = shutil.copytree(CHECKPOINT, tmp_path / "cut")
    victim = folder / (PREFIX.name + file)
    victim.write_bytes(victim.read_bytes()[:2000])
    assert program.main(["import-released", str(folder), str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("metarule: ") and error.count("\n") == 1 and "can't be read" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(has_tensorflow, reason="TensorFlow is installed")
def test_without_tensorflow_the_extra_is_named(tmp_path, capsys):
    assert program.main(["import-released", str(CHECKPOINT), str(tmp_path / "out")]) == 2
    assert "pip install 'metarule[tensorflow]'" in capsys.readouterr().err


def test_a_missing_checkpoint(tmp_path, capsys):
    assert program.main(["import-released", str(tmp_path / "absent.ckpt"), str(tmp_path / "out")]) == 2
    assert "absent.ckpt.index is missing" in capsys.readouterr().err
    assert program.main(["import-released", str(tmp_path), str(tmp_path / "out")]) == 2
    assert "has none: name one" in capsys.readouterr().err
    shutil.copy(f"{PREFIX}.index", tmp_path)
    assert program.main(["import-released", str(tmp_path), str(tmp_path / "out")]) == 2
    assert "is not whole" in capsys.readouterr().err
