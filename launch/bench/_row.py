from collections.abc import Callable
from typing import Any

from ._program import matrix_product, Program
from ._timing import Budget, time_in_turn, Timing


Row = dict[str, Any]
"""One line of a benchmark's table: `measure` says what is in it."""


def measure(workload: str, program: Program, budget: Budget, count: int = 1, each: str = "call") -> Row:
    """Runs a program and a matrix product in turn; `count` is the number of `each` in one run, what the row is of."""
    peak = matrix_product(256 if budget.small else None)
    mine, best = time_in_turn([program, peak], budget)
    return row(workload, program, mine, (peak, best), count, each)


def row(
    workload: str, program: Program, mine: Timing, peak: tuple[Program, Timing], count: int = 1, each: str = "call"
) -> Row:
    """What was measured, for one `each`: shares are of the rate of a matrix product that ran in turn with it.

    `peak_share` is by the clock and `cpu_peak_share` by processor time, which other programs disturb less. Only
    products count as achieved, by hand.
    """
    product, best = peak
    return {
        "workload": workload,
        "seconds": mine.seconds / count,
        "spread": mine.spread / count,
        "cpu_seconds": mine.cpu_seconds / count,
        "flops": program.flops / count,
        "flops_by_hand": program.flops_by_hand / count,
        "flops_per_second": program.flops_by_hand / mine.seconds,
        "peak_share": program.flops_by_hand / mine.seconds / (product.flops_by_hand / best.seconds),
        "cpu_peak_share": program.flops_by_hand / mine.cpu_seconds / (product.flops_by_hand / best.cpu_seconds),
        "peak_flops_per_second": product.flops_by_hand / best.seconds,
        "peak_memory_bytes": program.memory,
        "compile_seconds": program.compile_seconds,
        "repeats": len(mine.wall),
        "each": each,
        "remark": "",
    }


def plain(workload: str, wall: Timing, **more: Any) -> Row:
    """A row of something that is no single program: a process, or Python's own work beside some."""
    return {
        "workload": workload,
        "seconds": wall.seconds,
        "spread": wall.spread,
        "cpu_seconds": wall.cpu_seconds,
        "flops": None,
        "flops_by_hand": None,
        "flops_per_second": None,
        "peak_share": None,
        "cpu_peak_share": None,
        "peak_flops_per_second": None,
        "peak_memory_bytes": None,
        "compile_seconds": None,
        "repeats": len(wall.wall),
        "each": "call",
        "remark": "",
        **more,
    }


Workload = Callable[[Budget], list[Row]]
