import os
import pickle
import struct

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array
from metarule.errors import BadInput
from metarule.launch.records._rule_file import load_rule, load_rule_like, locate_rule, read_header, save_rule


class Block(eqx.Module):
    weight: Array
    rate: float


class Rule(eqx.Module):
    blocks: tuple[Block, ...]
    scale: Array


CONFIGURATION = {"architecture": "toy", "hidden": 3}
RECORD = {"preset": "quick", "seed": 7}


def build(configuration, key=None):
    keys = jr.split(jr.key(0) if key is None else key, 2)
    blocks = tuple(Block(jr.normal(each, (2, configuration["hidden"])), 0.5) for each in keys)
    return Rule(blocks, jnp.asarray(1.0))


@pytest.fixture
def saved(tmp_path):
    rule = build(CONFIGURATION, jr.key(3))
    path = tmp_path / "rule.safetensors"
    save_rule(path, rule, CONFIGURATION, RECORD)
    return path, rule


def test_roundtrip(saved):
    path, rule = saved
    assert read_header(path) == (CONFIGURATION, RECORD)
    assert eqx.tree_equal(load_rule(path, build), rule)
    assert eqx.tree_equal(load_rule_like(path, build(CONFIGURATION)), rule)
    assert not eqx.tree_equal(build(CONFIGURATION), rule)
    assert os.listdir(path.parent) == [path.name]


def test_arrays_are_named_by_their_paths(saved):
    import safetensors

    with safetensors.safe_open(saved[0], "numpy") as file:
        assert sorted(file.keys()) == ["blocks.0.weight", "blocks.1.weight", "scale"]


def test_double_precision_is_kept(tmp_path):
    with jax.enable_x64():
        rule = jnp.asarray(np.pi)
        save_rule(tmp_path / "rule", rule, {}, {})
        assert load_rule_like(tmp_path / "rule", rule) == np.pi
    with pytest.raises(BadInput, match="float64"):
        load_rule_like(tmp_path / "rule", jnp.asarray(0.0))


def test_another_architecture_names_the_field(saved):
    path, rule = saved
    with pytest.raises(BadInput, match=r"'blocks.0.weight' is float32\[2,3\] where float32\[2,4\] is expected"):
        load_rule(path, lambda configuration: build({"hidden": 4}))
    with pytest.raises(BadInput, match=r"'blocks.1.weight' .*not expected"):
        load_rule_like(path, eqx.tree_at(lambda it: it.blocks, rule, rule.blocks[:1]))
    with pytest.raises(BadInput, match=r"no field 'blocks.2.weight'"):
        load_rule_like(path, eqx.tree_at(lambda it: it.blocks, rule, rule.blocks + rule.blocks[:1]))


def test_what_is_no_rule_file_is_refused(saved, tmp_path):
    content = saved[0].read_bytes()
    ran = tmp_path / "ran"

    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(ran),)

    header = struct.pack("<Q", 2**60)
    flipped = content[:-5] + bytes([content[-5] ^ 4]) + content[-4:]
    for number, bad in enumerate(
        [b"", b"garbage", header, content[:50], content[:-1], flipped, pickle.dumps(Payload()), content + b"x"]
    ):
        path = tmp_path / f"bad{number}"
        path.write_bytes(bad)
        with pytest.raises(BadInput, match="damaged"):
            load_rule(path, build)
    assert not ran.exists()
    with pytest.raises(BadInput, match="no rule file"):
        read_header(tmp_path / "absent")


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    import safetensors.numpy

    safetensors.numpy.save_file({"w": np.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(BadInput, match="not a rule file"):
        read_header(tmp_path / "other.safetensors")


def test_a_failed_write_keeps_what_was_there(saved, monkeypatch):
    path, rule = saved

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInput, match="No space left on device"):
        save_rule(path, build(CONFIGURATION), CONFIGURATION, {})
    assert eqx.tree_equal(load_rule(path, build), rule) and os.listdir(path.parent) == [path.name]


def test_locate(saved, tmp_path):
    assert locate_rule(saved[0]) == saved[0] and locate_rule(tmp_path) == saved[0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="holds no rule"):
        locate_rule(tmp_path / "empty")
    with pytest.raises(BadInput, match="no rule at"):
        locate_rule(tmp_path / "absent")
