from collections.abc import Callable
from typing import Any

from ._program import matrix_product, Program
from ._timing import Budget, time_in_turn, Timing


Row = dict[str, Any]
"""One row of the table of `metarule bench`; `row` makes them."""


def measure(workload: str, program: Program, budget: Budget, count: int = 1, each: str = "call") -> Row:
    """Times a program in turn with a matrix product and returns its row, as `row` does."""
    peak = matrix_product(256 if budget.small else None)
    timing, best = time_in_turn([program, peak], budget)
    return row(workload, program, timing, (peak, best), count, each)


def row(
    workload: str, program: Program, timing: Timing, peak: tuple[Program, Timing], count: int = 1, each: str = "call"
) -> Row:
    """Returns a table row from a timing. Times and FLOPs are per unit of work.

    One call of the program does `count` units; `each` is a unit's name. `peak` is a matrix product with its timing, in
    turn with the program. `peak_share` is the program's FLOP/s (products only, by `product_flops`) over that product's,
    by wall-clock time, and `cpu_peak_share` by CPU time, which other programs disturb less.
    """
    product, best = peak
    return {
        "workload": workload,
        "seconds": timing.seconds / count,
        "spread": timing.spread / count,
        "cpu_seconds": timing.cpu_seconds / count,
        "flops": program.flops / count,
        "flops_by_hand": program.flops_by_hand / count,
        "flops_per_second": program.flops_by_hand / timing.seconds,
        "peak_share": program.flops_by_hand / timing.seconds / (product.flops_by_hand / best.seconds),
        "cpu_peak_share": program.flops_by_hand / timing.cpu_seconds / (product.flops_by_hand / best.cpu_seconds),
        "peak_flops_per_second": product.flops_by_hand / best.seconds,
        "peak_memory_bytes": program.memory,
        "compile_seconds": program.compile_seconds,
        "repeats": len(timing.wall),
        "each": each,
        "remark": "",
    }


def plain(workload: str, wall: Timing, **more: Any) -> Row:
    """Returns a row, without FLOPs and memory, for a timing of a process or of Python code. `more` adds columns."""
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
