import contextlib
import dataclasses
from collections.abc import Iterator
from typing import final, TypeVar

import equinox as eqx
import jax
import numpy as np

from ...errors import BadInput
from ...meta import connect, mesh_of
from ...meta.estimators import AbstractEstimator
from ._distributed import DistributedOptions
from ._processes import Processes
from ._watchdog import Watchdog


_Tree = TypeVar("_Tree")


@final
@dataclasses.dataclass(frozen=True)
class Devices:
    """The processes and devices of a run. By default one process and one device."""

    processes: Processes = dataclasses.field(default_factory=Processes)
    watchdog: Watchdog | None = None
    distribution: DistributedOptions = DistributedOptions(devices=1)

    @contextlib.contextmanager
    def sharing(self, estimator: AbstractEstimator) -> Iterator[str | None]:
        """Within this, all programs run on the crew's devices. Gives a sentence to say, if there is something to.

        Raises `BadInput` where the devices can't share the estimator's work evenly.
        """
        there = jax.devices()
        asked = len(there) if self.processes.count > 1 else self.distribution.devices
        if asked is not None and not 1 <= asked <= len(there):
            raise BadInput(
                f"--devices {asked}: this host has {len(there)}. On a CPU, "
                "XLA_FLAGS=--xla_force_host_platform_device_count=N makes N of it."
            )
        if asked is None:
            asked = max(count for count in range(1, len(there) + 1) if _suits(estimator, count))
        estimator.check_devices(asked)
        said = None
        if len(there) > 1 and self.distribution.devices != 1:
            hosts = f" of {self.processes.count} processes" if self.processes.count > 1 else f" of {len(there)}"
            said = f"The work is shared by {asked} devices{hosts}."
        if asked == 1:
            yield said
        else:
            with jax.set_mesh(mesh_of(there[:asked])):
                if self.processes.count > 1:
                    with self.awaited("The first connection"):
                        connect()
                yield said

    @contextlib.contextmanager
    def awaited(self, what: str, more: float = 0.0) -> Iterator[None]:
        """Ends the process with a sentence where this takes too long, or another process is lost meanwhile."""
        if self.watchdog is None:
            yield
            return
        seconds = self.distribution.hang + more
        sentence = (
            f"{what} has not ended after {seconds:g} s: another process or the network between them hangs; "
            "start all processes again with --resume to go on from the last checkpoint."
        )
        with self.watchdog.within(seconds, (sentence, 1)):
            try:
                yield
            except (RuntimeError, ValueError) as error:
                if isinstance(error, BadInput) or not _is_loss(error):
                    raise
                self.watchdog.lose(str(error).splitlines()[0][:200])


def to_local(tree: _Tree) -> _Tree:
    """Arrays that every device has whole, as ones of this process's first device alone."""
    arrays, rest = eqx.partition(tree, eqx.is_array)
    return eqx.combine(jax.tree.map(_to_local, arrays), rest)


def _to_local(leaf: jax.Array) -> jax.Array:
    return leaf if len(leaf.sharding.device_set) == 1 else jax.device_put(np.asarray(leaf))


def _suits(estimator: AbstractEstimator, devices: int) -> bool:
    try:
        estimator.check_devices(devices)
    except BadInput:
        return False
    return True


def _is_loss(error: Exception) -> bool:
    """Whether the runtime complains about another process: it has no exception of its own for that."""
    words = ("gloo", "nccl", "unavailable", "deadline_exceeded", "connection", "barrier", "coordination", "peer")
    return any(word in str(error).lower() for word in words)
