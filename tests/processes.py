"""Starts programs in several processes, each with several devices, on this machine."""

import contextlib
import os
import socket
import subprocess
import sys


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]


def environment(devices):
    """What makes a process see so many devices."""
    flags = f"--xla_force_host_platform_device_count={devices}"
    return {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}


@contextlib.contextmanager
def started(commands, devices=1, places=None):
    """Python processes, one a command, whose output is text; what is left of them at the end is killed."""
    options = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(devices))
    places = places or [None] * len(commands)
    found = [subprocess.Popen([sys.executable, *each], cwd=at, **options) for each, at in zip(commands, places)]
    try:
        yield found
    finally:
        for process in found:
            process.kill()
            process.communicate()


def finished(processes, seconds=300):
    """The exit code, the output and the errors of every process."""
    return [(process.communicate(timeout=seconds), process.returncode)[::-1] for process in processes]
