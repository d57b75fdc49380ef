import dataclasses
from typing import final

import tyro

from ...errors import BadInput
from ._cores import share_cores
from ._processes import process_index_and_count, Processes
from ._watchdog import Watchdog


_HEARTBEAT = 20  # seconds without a heartbeat after which JAX's runtime declares a process lost


@final
@dataclasses.dataclass(frozen=True)
class DistributedOptions:
    """Options for sharing the work between devices and processes."""

    distributed: bool = False
    """Share the work with other processes: start the same command once on every host. On a TPU pod, SLURM, Open MPI
    and Kubernetes the next three options are detected; elsewhere they are required."""
    coordinator: str | None = None
    """HOST:PORT of process 0, reachable from all hosts."""
    processes: int | None = None
    """Number of processes."""
    process_id: int | None = None
    """Index of this process, from 0."""
    devices: int | None = None
    """Number of this host's devices to use (on a CPU, of cores); by default as many as divide the work evenly."""
    patience: float = 300.0
    """Seconds to wait for the other processes at the start."""
    hang: float = 1800.0
    """Seconds after which a meta-step, a validation or a checkpoint counts as hung and the run ends."""

    @staticmethod
    def of(arguments: list[str]) -> "DistributedOptions":
        """Parses these options from a command line and ignores all others."""
        arguments = [argument for argument in arguments if argument not in ("-h", "--help")]
        configured = tyro.conf.configure(tyro.conf.FlagCreatePairsOff)(DistributedOptions)
        return tyro.cli(configured, args=arguments, return_unknown_args=True)[0]

    def join(self) -> tuple[Processes, Watchdog | None]:
        """Connects to the other processes or, without `--distributed`, makes every core of this host a device.

        Returns this process's place among all, and the watchdog of several processes. Call it before the import of
        anything that makes arrays. Raises `BadInput` for invalid options; ends the process where the others can't be
        reached within `--patience`.
        """
        if not self.distributed:
            for name in ("coordinator", "processes", "process_id"):
                if getattr(self, name) is not None:
                    raise BadInput(f"--{name.replace('_', '-')} is for several processes: add --distributed.")
            share_cores()
            return Processes(), None
        self._check()
        watchdog = Watchdog(
            "Another process of this run was lost, or the network between them; "
            "start all processes again with --resume to go on from the last checkpoint."
        )
        unreachable = self._unreachable(), 2
        with watchdog.within(self.patience, unreachable, unreachable):
            index, count = self._connect()
        return Processes(index, count, self.patience), watchdog

    def _check(self) -> None:
        if self.devices is not None:
            raise BadInput("Several processes use all of their devices: leave --devices out.")
        if self.processes is not None and self.processes < 1:
            raise BadInput(f"--processes must be 1 or more; got {self.processes}.")
        if self.process_id is not None and not 0 <= self.process_id < (self.processes or self.process_id + 1):
            raise BadInput(
                f"--process-id counts from 0 and must be below --processes {self.processes}; got {self.process_id}."
            )
        if self.coordinator is not None:
            host, _, port = self.coordinator.rpartition(":")
            if not host or not port.isdecimal():
                raise BadInput(f"--coordinator is HOST:PORT, such as 10.0.0.1:8476; got {self.coordinator}.")

    def _connect(self) -> tuple[int, int]:
        import jax

        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        try:
            jax.distributed.initialize(
                self.coordinator,
                self.processes,
                self.process_id,
                initialization_timeout=round(self.patience) + 60,  # The watchdog's message comes first.
                heartbeat_timeout_seconds=_HEARTBEAT,
                shutdown_timeout_seconds=_HEARTBEAT,
            )
        except (ValueError, TypeError) as error:
            raise BadInput(
                "The processes can't be detected here (outside of TPU pods, SLURM, Open MPI and Kubernetes): "
                "give --coordinator HOST:PORT, --processes N and --process-id I."
            ) from error
        except RuntimeError as error:
            raise BadInput(f"{self._unreachable()} ({str(error).splitlines()[0]})") from error
        return process_index_and_count()

    def _unreachable(self) -> str:
        where = self.coordinator or "the address that the cluster gives"
        count = f"{self.processes} processes" if self.processes else "all processes"
        if self.process_id == 0:
            return (
                f"Not {count} came to {where} within {self.patience:g} s: "
                "start one with each --process-id, or give the right --processes."
            )
        who = "This process" if self.process_id is None else f"Process {self.process_id}"
        return (
            f"{who} could not join {count} at {where} within {self.patience:g} s: see that process 0 runs there, "
            "that the address can be reached from here, and that all were given the same --processes."
        )
