"""A rule file may come from strangers: whatever its header says ends in a rule or in one sentence."""

import json
import resource

import jax.random as jr
import numpy as np
import pytest
import safetensors.numpy
from metarule.errors import BadInput
from metarule.launch.__main__ import main
from metarule.launch.encoders._trained_rule import TrainedRule
from metarule.launch.options._recipes import configuration_of, Lean
from metarule.launch.records._leaves import named_leaves
from metarule.launch.records._rule_file import _digest, _FORMAT, read_header


CHOICE = Lean(hidden=2, signal=1, readout=1)
ARRAYS = {name: np.asarray(leaf) for name, leaf in named_leaves(CHOICE.build(jr.key(0))).items()}
GOOD, RECORD = configuration_of(CHOICE), {"network": "3", "seed": 0}


def written(path, configuration, record):
    """A rule file with these texts in its header, and a digest that is right."""
    metadata = {"configuration": configuration, "record": record}
    metadata |= {"format": _FORMAT, "digest": _digest(ARRAYS, metadata)}
    safetensors.numpy.save_file(ARRAYS, path, metadata)
    return path


def test_the_file_as_it_should_be_is_read(tmp_path):
    assert TrainedRule.of(written(tmp_path / "rule", json.dumps(GOOD), json.dumps(RECORD))).architecture.widths == (3,)


@pytest.mark.parametrize("text", ["[]", "", "nothing", '"lean"', "null", "[" * 100_000, '{"a": 1', "\x00", "1" * 5000])
@pytest.mark.parametrize("place", ["configuration", "record"])
def test_a_header_that_is_no_object(text, place, tmp_path):
    texts = {"configuration": json.dumps(GOOD), "record": json.dumps(RECORD), place: text}
    path = written(tmp_path / "rule", **texts)
    for read in (read_header, TrainedRule.of):
        with pytest.raises(BadInput, match=f"its {place} can't be read"):
            read(path)


WRONG = [
    *({"hidden": value} for value in ("two", None, True, 2.5, [2], {}, -1, 0, 10**9, 10**400, float("nan"))),
    *({"without": value} for value in ("hebb", [1], {"hebb": 1}, ["salt"], [["hebb"]], None)),
    *({"step_size": value} for value in ("fast", float("inf"), -1.0, [])),
    {"architecture": 3}, {"architecture": ["lean"]}, {"architecture": None}, {"momentum": "much"}, {"odd": 1},
]  # fmt: skip
COUNTS = ("batch_size", "evaluation_steps", "skip", "prototypes", "memory", "seed")
WRONG_RECORD = [
    *({"network": value} for value in (3, "3-x", "100000-100000", "99999-99999", "9" * 5000, "²", "-".join("1" * 999))),
    *({name: "many"} for name in (*COUNTS, "weight_scale")),
    *({name: 10**30} for name in COUNTS),
    {"batch_size": 0}, {"skip": -1}, {"memory": 1.5}, {"seed": -1}, {"activation": ["relu"]}, {"activation": "sine"},
    {"weight_scale": float("nan")}, {"weight_scale": None},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=lambda it: str(it)[:40])
def test_a_structure_that_can_not_be(wrong, tmp_path):
    path = written(tmp_path / "rule", json.dumps(GOOD | wrong), json.dumps(RECORD))
    with pytest.raises(BadInput):
        TrainedRule.of(path)


@pytest.mark.parametrize("wrong", WRONG_RECORD, ids=lambda it: str(it)[:40])
def test_a_record_that_can_not_be(wrong, tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path = written(tmp_path / "rule", json.dumps(GOOD), json.dumps(RECORD | wrong))
    with pytest.raises(BadInput):
        TrainedRule.of(path).untrained()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # Kilobytes.


def test_the_program_says_it_in_one_sentence(tmp_path, capsys):
    path = written(tmp_path / "rule", json.dumps(GOOD | {"hidden": "two"}), json.dumps(RECORD))
    assert main(["evaluate", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("metarule: ") and "'hidden' can't be \"two\"" in err and err.count("\n") == 1
