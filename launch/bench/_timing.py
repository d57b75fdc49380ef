import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import final

import numpy as np


@final
@dataclasses.dataclass(frozen=True)
class Budget:
    """How often to measure each program: `repeats` times, or at least three times once `seconds` are used up.

    `small` asks for tiny sizes, which only show that a workload runs.
    """

    repeats: int = 9
    seconds: float = 30.0
    small: bool = False


@final
@dataclasses.dataclass(frozen=True)
class Timing:
    """Repeated timings of one call, in seconds: wall-clock time, and CPU time of all threads."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def seconds(self) -> float:
        return float(np.median(self.wall))

    @property
    def cpu_seconds(self) -> float:
        return float(np.median(self.cpu))

    @property
    def spread(self) -> float:
        """Interquartile range of the wall-clock seconds."""
        low, high = np.quantile(self.wall, [0.25, 0.75])
        return float(high - low)

    def ratio_to(self, other: "Timing") -> tuple[float, float]:
        """Returns the ratios of this timing to another one of the same `time_in_turn`: of wall-clock and of CPU time.

        Each is the median over rounds of the ratio within a round: ratios within a round are robust to other load.
        """
        wall, cpu = (np.divide(own, base) for own, base in ((self.wall, other.wall), (self.cpu, other.cpu)))
        return float(np.median(wall)), float(np.median(cpu))


_LEAST = 0.05  # seconds of one measurement: shorter programs run several times in it


def time_in_turn(programs: Sequence[Callable[[], object]], budget: Budget) -> list[Timing]:
    """Times programs in rounds, each once per round, so that other load on the machine hits all of them alike.

    Each program runs twice before: once to warm up, once to choose how many calls make one measurement.
    """
    calls = []
    for program in programs:
        program()
        start = time.perf_counter()
        program()
        calls.append(max(1, math.ceil(_LEAST / max(time.perf_counter() - start, 1e-6))))
    walls: list[list[float]] = [[] for _ in programs]
    cpus: list[list[float]] = [[] for _ in programs]
    first = time.perf_counter()
    # At least three rounds, so that the median is neither the fastest nor the slowest.
    while len(walls[0]) < budget.repeats and (len(walls[0]) < 3 or time.perf_counter() - first < budget.seconds):
        for index, program in enumerate(programs):
            start, cpu = time.perf_counter(), time.process_time()
            for _ in range(calls[index]):
                program()
            cpus[index].append((time.process_time() - cpu) / calls[index])
            walls[index].append((time.perf_counter() - start) / calls[index])
    return [Timing(tuple(wall), tuple(cpu)) for wall, cpu in zip(walls, cpus)]
