import json
import platform
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.table
from jax.sharding import PartitionSpec

from ...errors import BadInput
from ...meta import mesh_of
from ._devices import Devices
from ._distributed import DistributedOptions
from ._processes import Processes
from ._watchdog import Watchdog


_REPEATS = 10


def check(megabytes: float, processes: Processes, watchdog: Watchdog | None, distribution: DistributedOptions) -> int:
    """Lists the devices of all processes and times sums over them, the larger of so many MB; returns the exit code.

    Process 0 prints the tables. Raises `BadInput` where a device returns a wrong sum.
    """
    if not megabytes > 0:
        raise BadInput(f"--megabytes must be above 0; got {megabytes:g}.")
    devices = Devices(processes, watchdog, distribution)
    host = {"host": platform.node(), "devices": [_name(device) for device in jax.local_devices()]}
    hosts = json.loads(processes.all_reduce(json.dumps(host), lambda texts: json.dumps(list(map(json.loads, texts)))))
    with devices.awaited("A sum over all devices", 600.0):
        measured = [_measure(count) for count in (1, round(megabytes * 1e6 / 4))]
    if processes.first:
        _show(hosts, measured)
    return 0


def _measure(count: int) -> tuple[int, float]:
    """Sums arrays of `count` float32 numbers over all devices.

    Returns the bytes on each device and the median seconds of one sum. Raises `BadInput` where the sum is wrong.
    """
    devices = jax.devices()
    mesh = mesh_of(devices)
    (axis,) = mesh.axis_names
    part = PartitionSpec(axis)
    with jax.set_mesh(mesh):
        sharding = jax.sharding.NamedSharding(mesh, part)
        # Device i holds the number i, so that the sum is known and a device that is left out changes it.
        values = lambda index: np.full((1, count), index[0].start or 0, np.float32)
        x = jax.make_array_from_callback((len(devices), count), sharding, values)
        add = jax.jit(jax.shard_map(lambda x: jax.lax.psum(x, axis), in_specs=part, out_specs=part, check_vma=False))
        found, times = jax.block_until_ready(add(x)), []
        for _ in range(_REPEATS):
            start = time.perf_counter()
            found = jax.block_until_ready(add(x))
            times.append(time.perf_counter() - start)
    expected = len(devices) * (len(devices) - 1) / 2
    for shard in found.addressable_shards:
        if not bool(jnp.all(shard.data == expected)):
            raise BadInput(f"{_name(shard.device)} sums wrongly over all devices: take it out of the run.")
    return 4 * count, float(np.median(times))


def _name(device: Any) -> str:
    where = f" at {tuple(device.coords)}" if device.platform == "tpu" else ""
    return f"{device.platform}:{device.id} ({device.device_kind}){where}"


def _show(hosts: list[dict[str, Any]], measured: list[tuple[int, float]]) -> None:
    console = rich.console.Console()
    table = rich.table.Table("process", "host", "devices", title="processes", title_justify="left")
    for index, host in enumerate(hosts):
        table.add_row(str(index), host["host"], ", ".join(host["devices"]))
    console.print(table)
    count = sum(len(host["devices"]) for host in hosts)
    links = rich.table.Table("bytes per device", "ms", "MB/s per device", title=f"a sum over {count} devices")
    for size, seconds in measured:
        # A ring all-reduce is a reduce-scatter and an all-gather: in each, a device sends all parts but one.
        sent = 2 * (count - 1) / count * size
        links.add_row(f"{size:,}", f"{1e3 * seconds:.3f}", f"{sent / seconds / 1e6:,.0f}" if count > 1 else "-")
    console.print(links)
    print(f"All {count} devices of {len(hosts)} processes sum rightly.")
