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
    """The processes and devices of a run: by default one process with one device.

    `watchdog` ends the process when another one is lost; it is None where there is only one process.
    """

    processes: Processes = dataclasses.field(default_factory=Processes)
    watchdog: Watchdog | None = None
    distribution: DistributedOptions = DistributedOptions(devices=1)

    @contextlib.contextmanager
    def sharing(self, estimator: AbstractEstimator) -> Iterator[str | None]:
        """Sets the mesh of devices for all programs in the `with` block. Yields a message for the user, or None.

        By default that is the largest number of devices that divides the estimator's particles evenly. Raises
        `BadInput` for a number that doesn't, or that the host doesn't have.
        """
        available = jax.devices()
        count = len(available) if self.processes.count > 1 else self.distribution.devices
        if count is not None and not 1 <= count <= len(available):
            raise BadInput(
                f"--devices {count}: this host has {len(available)}. On a CPU, "
                "XLA_FLAGS=--xla_force_host_platform_device_count=N makes N devices of its cores."
            )
        if count is None:
            count = max(each for each in range(1, len(available) + 1) if _suits(estimator, each))
        estimator.check_devices(count)
        message = None
        if len(available) > 1 and self.distribution.devices != 1:
            hosts = f" of {self.processes.count} processes" if self.processes.count > 1 else f" of {len(available)}"
            message = f"The work is shared by {count} devices{hosts}."
        if count == 1:
            yield message
        else:
            with jax.set_mesh(mesh_of(available[:count])):
                if self.processes.count > 1:
                    with self.awaited("The first connection"):
                        connect()
                yield message

    @contextlib.contextmanager
    def awaited(self, what: str, more: float = 0.0) -> Iterator[None]:
        """Ends the process with a message if the `with` block takes too long or another process is lost meanwhile.

        `what` names the block in the message; it may take `more` seconds beyond `--hang`. With one process nothing is
        watched.
        """
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
    """Moves the arrays of a tree to this process's first device. Each must be replicated: whole on every device."""
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
    """Returns whether an error of JAX's runtime means that another process is gone."""
    # The runtime has no exception class for it: what is known is the words in its messages.
    words = ("gloo", "nccl", "unavailable", "deadline_exceeded", "connection", "barrier", "coordination", "peer")
    return any(word in str(error).lower() for word in words)
