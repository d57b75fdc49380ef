import contextlib
import os
import sys


def share_cores() -> None:
    """Makes every core of a CPU a device of its own, so that each has particles to itself: threads within operations
    use cores badly where the operations are small. Call it before JAX makes an array.

    `XLA_FLAGS=--xla_force_host_platform_device_count=N` and `JAX_NUM_CPU_DEVICES=N` say otherwise.
    """
    import jax

    flags, devices = os.environ.get("XLA_FLAGS", ""), jax.config.values["jax_num_cpu_devices"]
    if "xla_force_host_platform_device_count" not in flags and devices < 0:
        devices = _cores()
    if devices == 1:
        return
    with contextlib.suppress(RuntimeError):  # JAX runs already, with the devices that it has.
        jax.config.update("jax_num_cpu_devices", devices)
        # A device that waits for another ends the program after 40 s, and a meta-step of a large rule takes minutes.
        waits = "warn_stuck_timeout_seconds", "terminate_timeout_seconds"
        os.environ["XLA_FLAGS"] = " ".join([flags, *(f"--xla_cpu_collective_call_{wait}={_WAIT}" for wait in waits)])


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


_WAIT = 86_400  # seconds
