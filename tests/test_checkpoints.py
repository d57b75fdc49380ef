import json
import random
import resource
import shutil

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, PyTree
from metarule.errors import BadInput
from metarule.launch.records._checkpoints import Checkpoints


class State(eqx.Module):
    theta: PyTree
    keys: Array
    step: Array
    name: str = "a string is no array and is left alone"


def state(seed, width=7):
    key = jr.key(seed)
    theta = {
        "w": jr.normal(key, (5, width)),
        "half": jr.normal(key, (3,)).astype(jnp.bfloat16),
        "flags": jnp.array([True, False]),
        "odd": jnp.array([jnp.nan, -0.0, jnp.inf, 1e-42]),
        "none": jnp.zeros((0, 4)),
        "numpy": np.arange(seed, seed + 3, dtype=np.uint16),
    }
    return State(theta, jr.split(key, 3), jnp.asarray(seed))


def same(one, other):
    def plain(leaf):
        keys = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return np.asarray(jr.key_data(leaf) if keys else leaf)

    one, other = (jax.tree.map(plain, eqx.filter(tree, eqx.is_array)) for tree in (one, other))
    return jax.tree.structure(one) == jax.tree.structure(other) and all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other))
    )


def write(folder, *steps, **options):
    with Checkpoints(folder, **options) as checkpoints:
        for step in steps:
            checkpoints.save(step, state(step), {"step": step})


def read(folder, like=None):
    with Checkpoints(folder) as checkpoints:
        return checkpoints.restore(state(0) if like is None else like)


def test_roundtrip_is_bit_exact(tmp_path):
    write(tmp_path, 1, 2)
    restored = read(tmp_path)
    assert (restored.step, restored.extra, restored.notes) == (2, {"step": 2}, ())
    assert same(restored.state, state(2)) and not same(restored.state, state(1))
    assert isinstance(restored.state.theta["numpy"], np.ndarray)
    assert jr.key_impl(restored.state.keys) == jr.key_impl(state(2).keys)


def test_restores_into_shapes_and_in_double_precision(tmp_path):
    with jax.enable_x64():
        write(tmp_path, 3)
        restored = read(tmp_path, eqx.filter_eval_shape(state, 0))
        assert restored.state.theta["w"].dtype == jnp.float64
        assert same(restored.state, state(3))


def test_the_latest_are_kept(tmp_path):
    write(tmp_path, 1, 2, 3, 4, keep=2)
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps == (3, 4)


@pytest.mark.parametrize("damage", ["truncate", "flip"])
def test_a_damaged_checkpoint_is_never_taken_for_a_good_one(tmp_path, damage):
    write(tmp_path / "whole", 1, 2)
    choose, fallbacks = random.Random(0), 0
    for trial in range(20):
        folder = tmp_path / str(trial)
        shutil.copytree(tmp_path / "whole", folder)
        files = [file for file in sorted((folder / "2").rglob("*")) if file.is_file() and file.stat().st_size]
        file = choose.choice(files)
        content = bytearray(file.read_bytes())
        place = choose.randrange(len(content))
        if damage == "truncate":
            content = content[:place]
        else:
            content[place] ^= 1 << choose.randrange(8)
        file.write_bytes(bytes(content))
        restored = read(folder)
        # Some bytes (a time of writing, say) carry none of the state: losing them is no damage.
        assert same(restored.state, state(restored.step)) and restored.extra == {"step": restored.step}
        if restored.step == 1:
            fallbacks += 1
            assert "step 2 is damaged" in restored.notes[0] and "step 1 is whole and was used" in restored.notes[1]
        shutil.rmtree(folder)
    assert fallbacks >= 3


def test_altered_numbers_are_found_although_they_read_well(tmp_path):
    write(tmp_path, 1, 2)
    other = tmp_path / "other"
    write(other, 2)
    (tmp_path / "2" / "state").rename(tmp_path / "aside")
    with Checkpoints(other) as checkpoints:
        checkpoints.save(5, state(5), {})
    shutil.copytree(other / "5" / "state", tmp_path / "2" / "state")
    restored = read(tmp_path)
    assert restored.step == 1 and "the numbers of" in restored.notes[0]


def test_what_follows_a_damaged_checkpoint_replaces_it(tmp_path):
    write(tmp_path, 10, 30)
    shutil.rmtree(tmp_path / "30" / "state")
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        assert checkpoints.restore(state(0)).step == 10
        checkpoints.save(20, state(20), {})
        checkpoints.save(30, state(30), {})
    restored = read(tmp_path)
    assert restored.step == 30 and not restored.notes and same(restored.state, state(30))


def test_nothing_usable(tmp_path):
    with pytest.raises(BadInput, match="no checkpoint in .*start without --resume"):
        read(tmp_path / "empty")
    write(tmp_path / "run", 1)
    shutil.rmtree(tmp_path / "run" / "1" / "manifest")
    with pytest.raises(BadInput, match="Every checkpoint in .* is damaged"):
        read(tmp_path / "run")


def test_another_structure_names_the_field(tmp_path):
    write(tmp_path, 1)
    with pytest.raises(BadInput, match=r"'theta.w' is float32\[5,7\] where float32\[5,8\] is expected"):
        read(tmp_path, state(0, width=8))
    with pytest.raises(BadInput, match=r"no field 'theta.more'"):
        read(tmp_path, eqx.tree_at(lambda it: it.theta, state(0), state(0).theta | {"more": jnp.zeros(2)}))
    with pytest.raises(BadInput, match=r"a field 'theta.w' .* not expected"):
        read(tmp_path, eqx.tree_at(lambda it: it.theta["w"], state(0), None))


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path, capfd):
    big = {"noise": np.random.default_rng(0).integers(0, 255, 1_000_000, dtype=np.uint8)}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, big, {})
    checkpoints.wait()
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
        with pytest.raises(BadInput, match=r"Can't write the checkpoint of step 2 .*\(File too large\).* of step 1"):
            checkpoints.save(2, big, {})
            checkpoints.wait()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with Checkpoints(tmp_path) as later:
        restored = later.restore(big)
    assert restored.step == 1 and same(restored.state, big)
    assert capfd.readouterr() == ("", "")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="Can't keep checkpoints in .* choose another --run"):
        Checkpoints(tmp_path / "file" / "checkpoints")


def test_a_manifest_is_believed_only_whole(tmp_path):
    write(tmp_path, 1, 2)
    (file,) = (file for file in (tmp_path / "2" / "manifest").rglob("*") if b"digests" in file.read_bytes())
    manifest = json.loads(file.read_text())
    manifest["extra"]["step"] = 7
    file.write_text(json.dumps(manifest))
    restored = read(tmp_path)
    assert restored.step == 1 and "list of fields" in restored.notes[0]
