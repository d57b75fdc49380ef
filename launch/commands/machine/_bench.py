import dataclasses
from pathlib import Path
from typing import Annotated, final

import jax
import tyro

from ....errors import BadInput
from ...bench._base_models import apply_attention, apply_conv
from ...bench._encode import transformer
from ...bench._estimators import estimators
from ...bench._meta_steps import outer_overhead, QUICK_STEPS
from ...bench._row import Row, Workload
from ...bench._rules import apply_lean, apply_released, metagrad_lean, metagrad_released
from ...bench._scaling import draw_scaling, scaling
from ...bench._startup import startup
from ...bench._timing import Budget
from ...figures._plots import Picture
from ...hosts._cores import share_cores
from ...options._parse import parse
from ...records._files import check_writable
from ...records._tables import print_columns, TableFiles


WORKLOADS: dict[str, Workload] = {
    "apply-released": apply_released,
    "apply-lean": apply_lean,
    "apply-conv": apply_conv,
    "apply-attention": apply_attention,
    "metagrad-released": metagrad_released,
    "metagrad-lean": metagrad_lean,
    **QUICK_STEPS,
    "outer-overhead": outer_overhead,
    "startup": startup,
    "encode": transformer,
    "estimators": estimators,
    "scaling": scaling,
}
"""Workloads by name. The first line of a workload's docstring describes it in `metarule bench --help`."""


@final
@dataclasses.dataclass(frozen=True)
class BenchOptions:
    """Which workloads to measure, and for how long."""

    workloads: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[WORKLOAD ...]")] = ()
    """Workloads to measure; all if none is named."""
    repeats: int = 9
    """Measurements of each program, of which the median is reported."""
    seconds: float = 30.0
    """Seconds after which a program is not measured again, if it has been measured three times."""
    small: bool = False
    """Use tiny sizes, to see whether everything runs; their times mean nothing."""
    table: Annotated[TableFiles, tyro.conf.arg(name="")] = TableFiles()
    plot: Path | None = None
    """File to draw the workload `scaling` to, such as scaling.png."""


def main(arguments: list[str]) -> int:
    """Runs `metarule bench` and returns its exit code."""
    described = "\n\n".join(f"{name}: {_sentence(workload)}" for name, workload in WORKLOADS.items())
    sentence = "Measure speed on this machine, relative to a matrix product on the same cores."
    options = parse(BenchOptions, arguments, "bench", f"{sentence}\n\n{described}")
    unknown = [name for name in options.workloads if name not in WORKLOADS]
    if unknown:
        raise BadInput(f"Unknown workload {unknown[0]!r}; the known ones are {', '.join(WORKLOADS)}.")
    if options.repeats < 1 or not options.seconds > 0:
        raise BadInput("--repeats must be 1 or more, and --seconds above 0.")
    if options.plot is not None:
        Picture.of(options.plot)  # Refused before anything is measured.
        check_writable(options.plot)
    share_cores()
    budget = Budget(options.repeats, options.seconds, options.small)
    rows: list[Row] = []
    for name in options.workloads or WORKLOADS:
        print(f"measuring {name}", flush=True)
        rows += WORKLOADS[name](budget)
        options.table.keep(rows)  # After each workload, so that a later failure loses no result.
    options.table.write_and(lambda: _print(rows), rows)
    grown = [row for row in rows if "axis" in row]
    if options.plot is not None and grown:
        draw_scaling(grown, options.plot)
    return 0


def _sentence(workload: Workload) -> str:
    return (workload.__doc__ or "").strip().split("\n")[0]


def _print(rows: list[Row]) -> None:
    print_columns(
        f"Benchmarks: {', '.join(sorted({device.device_kind for device in jax.devices()}))}",
        {
            "workload": [row["workload"] for row in rows],
            "ms": [f"{1e3 * row['seconds']:,.2f} ±{1e3 * row['spread'] / 2:,.2f}" for row in rows],
            "CPU-ms": [f"{1e3 * row['cpu_seconds']:,.2f}" for row in rows],
            "GFLOP": [_scaled(row, "flops", 1e-9) for row in rows],
            "by\nhand": [_scaled(row, "flops_by_hand", 1e-9) for row in rows],
            "GFLOP/s": [_scaled(row, "flops_per_second", 1e-9) for row in rows],
            "peak\n%": [_scaled(row, "peak_share", 100.0) for row in rows],
            "CPU\npeak %": [_scaled(row, "cpu_peak_share", 100.0) for row in rows],
            "memory\nMB": [_scaled(row, "peak_memory_bytes", 1e-6) for row in rows],
            "compile\ns": [_scaled(row, "compile_seconds", 1.0) for row in rows],
            "each": [row["each"] for row in rows],
            "": [row["remark"] for row in rows],
        },
        "±: half the interquartile range; GFLOP: as counted by XLA; by hand: products only, used for GFLOP/s and peak; "
        "peak %: relative to a matrix product measured in turn, by wall-clock time and by CPU time",
    )


def _scaled(row: Row, name: str, factor: float) -> str:
    value = row[name]
    if value is None:
        return ""
    value *= factor
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
