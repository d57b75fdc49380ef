import contextlib
import gc
import hashlib
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any, final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jaxtyping import PyTree

from ...errors import BadInput
from ..hosts._processes import Processes
from ._files import allocate
from ._fingerprint import fingerprint, full_fingerprint, local_sum
from ._leaves import difference, named_leaves, numbers, signature, with_leaves


_OVERHEAD = 300_000
"""Bytes that a checkpoint takes besides its numbers, about."""


class Restored(NamedTuple):
    """A checkpoint that was read: its step, the state, the JSON saved with it, and messages for the user."""

    step: int
    state: Any
    extra: dict[str, Any]
    notes: tuple[str, ...]


class _Damaged(Exception):
    """A checkpoint that can't be trusted; the message says why."""


@final
class Checkpoints:
    """The checkpoints of one run, written by Orbax in the background and verified when they are read.

    A state is any tree of arrays and typed keys. A fingerprint of every array is saved with it, so that a truncated or
    altered checkpoint is never used. The latest `keep` checkpoints stay on disk. Use this as a context manager, or call
    `close`, so that the last checkpoint is finished.

    With several processes, each writes the arrays on its own devices, into a folder that all of them share. When
    reading, each process reads and verifies the whole checkpoint, whatever devices it was saved from; one that any
    process finds damaged is used by none.
    """

    def __init__(self, folder: Path, keep: int = 3, processes: Processes = Processes()):
        # Orbax logs its progress, and each failure a second time, through absl; asyncio logs once more every write that
        # failed beside the first.
        for name in ("absl", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep, cleanup_tmp_directories=True, save_root_metadata=False, lightweight_initialize=True
        )
        self._folder = folder.absolute()
        self._processes = processes
        self._restored: int | None = None
        self._saving: int | None = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._manager = ocp.CheckpointManager(self._folder, options=options, item_names=("state", "manifest"))
        except OSError as error:
            reason = error.strerror or error
            raise BadInput(f"Can't keep checkpoints in {folder} ({reason}): choose another --run.") from error

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def steps(self) -> tuple[int, ...]:
        """Returns the steps of all checkpoints in ascending order; damaged ones are found only when they are read."""
        return tuple(sorted(self._manager.all_steps(read=True)))

    def check_space(self, state: PyTree) -> None:
        """Raises `BadInput` where there is no room for a checkpoint: better before the first step than after it.

        Only process 0 looks, and what it finds is raised on all.
        """
        needed = _OVERHEAD + sum(leaf.nbytes for leaf in map(numbers, named_leaves(state).values()))

        def look() -> None:
            try:
                allocate(self._folder, needed)
            except OSError as error:
                raise BadInput(
                    f"There is no room for a checkpoint of {needed / 1e6:,.1f} MB in {self._folder} "
                    f"({error.strerror}): free space there or choose another --run."
                ) from error

        self._processes.once(look)

    def save(self, step: int, state: PyTree, extra: dict[str, Any]) -> None:
        """Starts to write a checkpoint, and returns as soon as the arrays may be changed. `extra` must be JSON.

        Raises `BadInput` if this or the previous checkpoint can't be written; the last good one then stays whole.
        """
        self._drop_abandoned()
        leaves = {name: numbers(leaf) for name, leaf in named_leaves(state).items()}
        manifest = {
            "fields": {name: signature(leaf) for name, leaf in leaves.items()},
            "digests": self._digests(leaves),
            "extra": extra,
        }
        # Orbax refuses arrays without elements; the signature in the manifest is enough to restore one.
        stored = {name: leaf for name, leaf in leaves.items() if leaf.size}
        try:
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(stored),
                    manifest=ocp.args.JsonSave(manifest | {"digest": _digest(manifest)}),
                ),
                force=True,
            )
            self._saving = step
        except Exception as error:
            raise self._failure(step if self._saving is None else self._saving, error) from error

    def wait(self) -> None:
        """Waits until the checkpoint in progress is written. Raises `BadInput` as `save` does."""
        try:
            self._manager.wait_until_finished()
            self._manager.check_for_errors()
        except Exception as error:
            raise self._failure(self._saving or 0, error) from error

    def close(self) -> None:
        """Waits as `wait` does, and frees what Orbax holds. Raises `BadInput` as `save` does."""
        try:
            self.wait()
        finally:
            self._manager.close()

    def restore(self, like: PyTree) -> Restored:
        """Reads the latest undamaged checkpoint into a state with the structure of `like`.

        The arrays of `like` may be shapes without values. Damaged checkpoints are skipped and named in the notes; they
        are deleted at the next `save`. Raises `BadInput` if no checkpoint is good, or if its arrays don't have the
        names, shapes and types of those of `like`.
        """
        notes = []
        for step in reversed(self.steps):
            found, damage = None, ""
            try:
                found = self._read(step, like)
            except _Damaged as error:
                damage = str(error)
            # Damage may be visible to one process only, and all must use the same checkpoint.
            damage = self._processes.all_reduce(damage, lambda texts: next(filter(None, texts), ""))
            if damage or found is None:
                notes.append(f"The checkpoint of step {step} is damaged ({damage}) and was passed over.")
                continue
            if notes:
                notes.append(f"The checkpoint of step {step} is whole and was used instead.")
            self._restored = step
            return Restored(step, *found, tuple(notes))
        if notes:
            raise BadInput(f"Every checkpoint in {self._folder} is damaged: start again with another --run.")
        raise BadInput(f"There is no checkpoint in {self._folder}: start without --resume.")

    def _read(self, step: int, like: PyTree) -> tuple[PyTree, dict[str, Any]]:
        manifest = self._manifest(step)
        if not isinstance(manifest, dict) or manifest.pop("digest", None) != _digest(manifest):
            raise _Damaged("its list of fields is not the one that was saved")
        wanted = {name: numbers(leaf) for name, leaf in named_leaves(like).items()}
        differs = difference({name: signature(leaf) for name, leaf in wanted.items()}, manifest["fields"])
        if differs is not None:
            raise BadInput(
                f"The checkpoint of step {step} in {self._folder} is of another configuration or version: {differs}; "
                "give the configuration that the run was started with, or another --run."
            )
        leaves = self._restore(step, {name: on_first_device(leaf) for name, leaf in wanted.items() if leaf.size})
        for name, leaf in wanted.items():
            if not leaf.size:
                leaves[name] = np.zeros(leaf.shape, leaf.dtype)
            if full_fingerprint(leaves[name]) != manifest["digests"][name]:
                raise _Damaged(f"the numbers of {name!r} are not those that were saved")
            leaves[name] = _like(wanted[name], leaves[name])
        return with_leaves(like, leaves), manifest["extra"]

    def _digests(self, leaves: dict[str, Any]) -> dict[str, str]:
        names = list(leaves)

        def add(texts: list[str]) -> str:
            return json.dumps([sum(sums) % 2**64 for sums in zip(*map(json.loads, texts))])

        totals = json.loads(self._processes.all_reduce(json.dumps([local_sum(leaves[name]) for name in names]), add))
        return {name: fingerprint(leaves[name], total) for name, total in zip(names, totals)}

    def _manifest(self, step: int) -> Any:
        try:
            return json.loads((self._folder / str(step) / "manifest" / "metadata").read_text())
        except (OSError, ValueError) as error:
            raise _Damaged("it can't be read") from error

    def _restore(self, step: int, shapes: dict[str, jax.ShapeDtypeStruct]) -> dict[str, Any]:
        # Orbax reads arrays concurrently. When one fails it abandons the other reads, and Python prints a warning about
        # each abandoned coroutine, some at once and some when they are garbage-collected: hence the hook and `collect`.
        hook, sys.unraisablehook = sys.unraisablehook, _drop
        try:
            with contextlib.suppress(Exception), local_checkpointer(self._processes) as checkpointer:
                # A damaged file can raise any exception, all reported as `_Damaged` below.
                return checkpointer.restore(self._folder / str(step) / "state", shapes)
            time.sleep(0.2)
            gc.collect()
        finally:
            sys.unraisablehook = hook
        raise _Damaged("it can't be read")

    def _drop_abandoned(self) -> None:
        # Orbax keeps the highest steps: a damaged checkpoint of a later step would push out the ones saved from now on.
        if self._restored is not None:
            for step in self.steps:
                if step > self._restored:
                    self._manager.delete(step)
            self._restored = None

    def _failure(self, step: int, error: Exception) -> BadInput:
        good = [each for each in self.steps if each != step]
        last = f"the last good one is of step {good[-1]}" if good else "there is no earlier one"
        return BadInput(
            f"Can't write the checkpoint of step {step} to {self._folder} ({_reason(error)}), {last}: "
            "free space there, then continue with --resume."
        )


def _drop(unraisable: object) -> None:
    pass


def _reason(error: BaseException) -> str:
    while not isinstance(error, OSError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error)
    for known in ("No space left on device", "File too large", "Permission denied", "Read-only file system"):
        if known in text:
            return known
    return text.splitlines()[0][:200] if text else type(error).__name__


def _digest(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def local_checkpointer(processes: Processes) -> ocp.StandardCheckpointer:
    """Returns a checkpointer that reads without waiting for other processes."""
    if processes.count == 1:
        return ocp.StandardCheckpointer()
    index = processes.index
    options = ocp.options.MultiprocessingOptions(index, {index}, f"alone-{index}")
    return ocp.StandardCheckpointer(multiprocessing_options=options)


def on_first_device(leaf: Any) -> jax.ShapeDtypeStruct:
    """Returns an array's shape and type with a sharding on this process's first device."""
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device)


def _like(wanted: Any, leaf: Any) -> Any:
    found = np.asarray(leaf)
    if isinstance(wanted, np.ndarray):
        return found
    sharding = wanted.sharding
    if sharding is None or len(sharding.device_set) == 1:
        # Uncommitted to a device, as in a fresh run: a committed array would make JAX compile every program anew.
        return jnp.asarray(found)
    return jax.make_array_from_callback(found.shape, sharding, lambda index: found[index])
