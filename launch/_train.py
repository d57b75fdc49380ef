from ._machines import Machines


def main(arguments: list[str]) -> int:
    """Runs `metarule train`."""
    machines = Machines.of(arguments)
    processes, watchdog = machines.join()
    from ._train_together import train  # evosax makes arrays as it is imported, which the other processes must precede.

    return train(arguments, machines, processes, watchdog)
