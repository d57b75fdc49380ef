from typing import Annotated

import tyro

from ...hosts._distributed import DistributedOptions
from ...options._parse import parse


def main(arguments: list[str]) -> int:
    """Runs `metarule pod-check`."""
    distribution = DistributedOptions.of(arguments)
    processes, watchdog = distribution.join()
    from ...hosts._check_links import check  # What it imports looks for devices, which meeting the others must precede.

    return check(parse(pod_check, arguments, "pod-check"), processes, watchdog, distribution)


def pod_check(
    megabytes: float = 64.0,
    distribution: Annotated[DistributedOptions, tyro.conf.arg(name="")] = DistributedOptions(),
) -> float:
    """Lists hosts and devices, and times sums over all devices, before a long run is started.

    Args:
        megabytes: size of the larger of the two arrays to sum, in MB on every device.
    """
    return megabytes
