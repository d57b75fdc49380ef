import importlib.util
import json
import os
from pathlib import Path

import jax.random as jr
import pytest
from metarule.errors import BadInput
from metarule.launch.__main__ import main
from metarule.launch.options._recipes import configuration_of, Lean
from metarule.launch.records._rule_file import save_rule
from metarule.tasks import load, prepare


FOLDER = Path(os.environ.get("METARULE_DATA") or "absent")
NAMES = ("mnist", "fashion_mnist")
needs_files = pytest.mark.skipif(
    not all((FOLDER / name / "train-images-idx3-ubyte.gz").is_file() for name in NAMES),
    reason="METARULE_DATA names no folder with the original files of mnist and fashion_mnist",
)
needs_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow, which prepares data sets, is not installed"
)


@needs_files
@needs_tensorflow
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # TensorFlow's own
def test_original_files_prepared_without_a_network_read_as_they_are(tmp_path):
    for name in NAMES:
        (tmp_path / name).symlink_to(FOLDER / name)
        prepare(name, tmp_path)
    for name in NAMES:
        ours, theirs = load(f"{name}28", FOLDER), load(f"tfds:{name}", tmp_path)
        assert len(theirs.train_x) == 60000 and theirs.test_x.shape == (10000, 28, 28)
        both = [sorted(zip(map(bytes, d.test_x), d.test_y.tolist())) for d in (ours, theirs)]
        assert both[0] == both[1]
    choice = Lean(hidden=2, signal=1, readout=1)
    rule = tmp_path / "rule.safetensors"
    save_rule(rule, choice.build(jr.key(0)), configuration_of(choice), {"network": "8"})
    tasks = [f"tfds:{name}@14" for name in NAMES]
    options = ["--encoders", "raw", "random-init", "--seeds", "2", "--queries", "200", "--data-dir", str(tmp_path)]
    table = tmp_path / "table.json"
    assert main(["evaluate", str(rule), "--tasks", *tasks, *options, "--json", str(table)]) == 0
    raw = [row for row in json.loads(table.read_text()) if row["encoder"] == "raw"]
    assert [row["task"] for row in raw[::2]] == tasks and min(row["accuracy"] for row in raw) > 0.5


def test_what_is_not_prepared_says_how(tmp_path):
    with pytest.raises(BadInput, match="run `metarule data prepare mnist` once"):
        load("tfds:mnist@14", tmp_path)
    with pytest.raises(BadInput, match="knows no 'nonsense'"):
        load("tfds:nonsense", tmp_path)
    with pytest.raises(BadInput, match="'big' is no side"):
        load("tfds:mnist@big", tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is installed")
def test_preparing_without_tensorflow_names_the_extra(tmp_path):
    with pytest.raises(BadInput, match=r"pip install 'metarule\[tensorflow\]'"):
        prepare("mnist", tmp_path)
    assert not list(tmp_path.iterdir())
