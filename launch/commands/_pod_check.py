from ..hosts._distributed import Machines


def main(arguments: list[str]) -> int:
    """Runs `metarule pod-check`."""
    machines = Machines.of(arguments)
    processes, watchdog = machines.join()
    from ..hosts._check_links import check  # What it imports looks for devices, which meeting the others must precede.

    return check(arguments, processes, watchdog, machines)
