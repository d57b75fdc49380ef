import contextlib
import os
import sys


def share_cores() -> None:
    """Makes every core of a CPU a JAX device. Call it before JAX makes an array; afterwards it does nothing.

    Each core then computes particles of its own. The number of devices is N instead where the user has set
    `XLA_FLAGS=--xla_force_host_platform_device_count=N` or `JAX_NUM_CPU_DEVICES=N`.
    """
    # XLA's other way to use cores, threads within an operation, gains little here: the operations are small.
    import jax

    flags, devices = os.environ.get("XLA_FLAGS", ""), jax.config.values["jax_num_cpu_devices"]
    if "xla_force_host_platform_device_count" not in flags and devices < 0:
        devices = _cores()
    if devices == 1:
        return
    with contextlib.suppress(RuntimeError):  # JAX is initialised already and keeps its devices.
        jax.config.update("jax_num_cpu_devices", devices)
        # By default XLA aborts when a device waits 40 s for another; a meta-step of a large rule takes minutes.
        waits = "warn_stuck_timeout_seconds", "terminate_timeout_seconds"
        os.environ["XLA_FLAGS"] = " ".join([flags, *(f"--xla_cpu_collective_call_{wait}={_WAIT}" for wait in waits)])


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


_WAIT = 86_400  # seconds
