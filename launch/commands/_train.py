from ..hosts._distributed import Machines


def main(arguments: list[str]) -> int:
    """Runs `metarule train`."""
    machines = Machines.of(arguments)
    processes, watchdog = machines.join()
    from ..training._train import train  # JAX may make no array before all processes have met.

    return train(arguments, machines, processes, watchdog)
