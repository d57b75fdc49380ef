from ...hosts._distributed import DistributedOptions


def main(arguments: list[str]) -> int:
    """Runs `metarule train`."""
    distribution = DistributedOptions.of(arguments)
    processes, watchdog = distribution.join()
    from ...training._train import train  # JAX may make no array before all processes have met.

    return train(arguments, distribution, processes, watchdog)
