from ..hosts._distributed import DistributedOptions


def main(arguments: list[str]) -> int:
    """Runs `metarule pod-check`."""
    distribution = DistributedOptions.of(arguments)
    processes, watchdog = distribution.join()
    from ..hosts._check_links import check  # What it imports looks for devices, which meeting the others must precede.

    return check(arguments, processes, watchdog, distribution)
