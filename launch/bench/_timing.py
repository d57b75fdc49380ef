import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import final

import numpy as np


@final
@dataclasses.dataclass(frozen=True)
class Budget:
    """How often each program of a workload is measured: so many times, or fewer (but three) once time is up."""

    repeats: int = 9
    seconds: float = 30.0
    small: bool = False


@final
@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds of one call: by the clock, and of all cores together."""

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
        """Distance between the quartiles of the seconds."""
        low, high = np.quantile(self.wall, [0.25, 0.75])
        return float(high - low)

    def beside(self, other: "Timing") -> tuple[float, float]:
        """Times the seconds of another program that was measured in turn with it, by the clock and of all cores: the
        medians of the turns' own ratios, which what else the machine does disturbs less than the seconds."""
        wall, cpu = (np.divide(mine, theirs) for mine, theirs in ((self.wall, other.wall), (self.cpu, other.cpu)))
        return float(np.median(wall)), float(np.median(cpu))


_LEAST = 0.05  # seconds of a sample: shorter programs run several times in one


def time_in_turn(programs: Sequence[Callable[[], object]], budget: Budget) -> list[Timing]:
    """Measures programs in turn, so that what else the machine does meets all of them alike. Each runs once before."""
    turns = []
    for program in programs:
        program()
        start = time.perf_counter()
        program()
        turns.append(max(1, math.ceil(_LEAST / max(time.perf_counter() - start, 1e-6))))
    walls: list[list[float]] = [[] for _ in programs]
    cpus: list[list[float]] = [[] for _ in programs]
    begun = time.perf_counter()
    while len(walls[0]) < budget.repeats and (len(walls[0]) < 3 or time.perf_counter() - begun < budget.seconds):
        for index, program in enumerate(programs):
            start, cpu = time.perf_counter(), time.process_time()
            for _ in range(turns[index]):
                program()
            cpus[index].append((time.process_time() - cpu) / turns[index])
            walls[index].append((time.perf_counter() - start) / turns[index])
    return [Timing(tuple(wall), tuple(cpu)) for wall, cpu in zip(walls, cpus)]
