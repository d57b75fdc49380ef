"""The number of devices and of processes that share the particles changes nothing."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.launch.hosts._cores import share_cores
from metarule.meta.estimators import EvosaxSearch, PES, Population


PROGRAM = Path(__file__).parent / "program_meta_steps.py"
NAMES = ("tbptt", "es", "pes", "nres", "hybrid", "independent")


def thetas(processes, folder, count, devices, precision):
    """What every estimator learns on so many processes of so many devices."""
    out, port = folder / f"{count}x{devices}-{precision}.npz", processes.free_port()
    commands = [[str(PROGRAM), str(out), str(count), str(i), str(port), precision] for i in range(count)]
    with processes.started(commands, devices) as started:
        for code, (_, errors) in processes.finished(started, 900):
            assert code == 0, errors
    found = dict(np.load(out))
    assert found.pop("devices") == count * devices
    return found


@pytest.fixture(scope="module", params=["double", pytest.param("single", marks=pytest.mark.slow)])
def precision(request):
    return request.param


@pytest.fixture(scope="module")
def alone(processes, tmp_path_factory, precision):
    return thetas(processes, tmp_path_factory.mktemp("alone"), 1, 1, precision)


@pytest.mark.parametrize(
    "count, devices", [(1, 4), *(pytest.param(*each, marks=pytest.mark.slow) for each in [(2, 2), (4, 1)])]
)
def test_the_number_of_devices_changes_nothing(processes, alone, tmp_path, count, devices, precision):
    shared = thetas(processes, tmp_path, count, devices, precision)
    assert set(NAMES) <= shared.keys()
    tolerance = 1e-10 if precision == "double" else 2e-5
    for name, theta in shared.items():
        assert theta.dtype == alone[name].dtype and np.abs(theta - alone[name]).max() < tolerance, name


@pytest.mark.parametrize(
    "population, devices, said",
    [
        (Population(6), 4, "6 tasks can't be shared evenly by 4 devices: take a multiple of 4, or 1, 2, 3 or 6 dev"),
        (Population(1, 6), 4, "6 particles of the only task can't be shared evenly by 4 devices"),
        (Population(12, chunk=4), 2, "Each of 2 devices has 6 tasks, which a chunk of 4 particles does not split"),
    ],
)
def test_particles_that_do_not_divide(population, devices, said):
    with pytest.raises(BadInput, match=said):
        PES(population).check_devices(devices)


COUNT = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from metarule.launch.hosts._cores import share_cores
share_cores()
import jax
print(jax.device_count(), os.environ.get("XLA_FLAGS"))
"""
FORCED = "--xla_force_host_platform_device_count=3"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can keep a process to one core")
@pytest.mark.parametrize(
    "said, devices", [({}, "1"), ({"XLA_FLAGS": FORCED}, "3"), ({"JAX_NUM_CPU_DEVICES": "2"}, "2")]
)
def test_every_core_that_a_process_may_use_is_a_device(said, devices):
    named = ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES")
    rest = {name: value for name, value in os.environ.items() if name not in named}
    run = subprocess.run(
        [sys.executable, "-c", COUNT],
        env={**rest, "JAX_PLATFORMS": "cpu", **said},
        capture_output=True,
        text=True,
    )
    found, flags = run.stdout.split(maxsplit=1)
    assert found == devices, run.stderr
    assert ("terminate_timeout" in flags) == (devices != "1")


def test_a_process_that_has_its_devices_keeps_them():
    devices, flags = jax.devices(), os.environ.get("XLA_FLAGS")
    share_cores()
    assert jax.devices() == devices and os.environ.get("XLA_FLAGS") == flags


def test_members_that_do_not_divide():
    with pytest.raises(BadInput, match="8 members can't be shared evenly by 3 devices"):
        EvosaxSearch(members=8).check_devices(3)
