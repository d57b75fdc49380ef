"""Checkpoints of two processes, damaged twenty times each way, as one of the processes sees it: FOLDER INDEX PORT."""

import random
import shutil
import sys
from pathlib import Path

import jax


FOLDER, INDEX, PORT = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
jax.distributed.initialize(f"localhost:{PORT}", 2, INDEX)

import jax.random as jr
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from metarule.launch.hosts._processes import Processes
from metarule.launch.records._checkpoints import Checkpoints
from metarule.meta import mesh_of


PROCESSES = Processes(INDEX, 2)
MESH = mesh_of(jax.devices())


def placed(array, *names):
    sharding = NamedSharding(MESH, PartitionSpec(*names))
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


def state(step):
    """Particles that each process has half of, and a rule that both have."""
    particles, rule = np.asarray(jr.normal(jr.key(step), (4, 50))), np.asarray(jr.normal(jr.key(-step), (30,)))
    return {"particles": placed(particles, *MESH.axis_names), "rule": placed(rule)}


def same(one, other):
    whole = lambda tree: [np.asarray(shard.data) for leaf in jax.tree.leaves(tree) for shard in leaf.addressable_shards]
    return all((a == b).all() for a, b in zip(whole(one), whole(other)))


def together():
    """Waits for the other process."""
    PROCESSES.all_reduce("", lambda heard: "")


def damaged(file, kind, choose):
    content = bytearray(file.read_bytes())
    place = choose.randrange(len(content))
    if kind == "truncated":
        content = content[:place]
    else:
        content[place] ^= 1 << choose.randrange(8)
    file.write_bytes(bytes(content))


whole = FOLDER / "whole"
with Checkpoints(whole, processes=PROCESSES) as checkpoints:
    for step in (1, 2):
        checkpoints.save(step, state(step), {"step": step})
for kind in ("truncated", "flipped"):
    choose, fallbacks = random.Random(0), 0
    for trial in range(20):
        folder = FOLDER / f"{kind}-{trial}"
        if INDEX == 0:
            shutil.copytree(whole, folder)
            files = [file for file in sorted((folder / "2").rglob("*")) if file.is_file() and file.stat().st_size]
            damaged(choose.choice(files), kind, choose)
        together()
        with Checkpoints(folder, processes=PROCESSES) as checkpoints:
            restored = checkpoints.restore(state(0))
        assert same(restored.state, state(restored.step)) and restored.extra == {"step": restored.step}
        if restored.step == 1:
            fallbacks += 1
            assert "step 2 is damaged" in restored.notes[0] and "step 1 is whole and was used" in restored.notes[1]
        together()
    print(kind, fallbacks, flush=True)
