import dataclasses
from pathlib import Path
from typing import Annotated, Any, final

import jax
import tyro

from ....errors import BadInput
from ...caches._compilations import cache_compilations
from ...hosts._cores import share_cores
from ...hosts._devices import Devices
from ...hosts._distributed import DistributedOptions
from ...options._command_line import Command, parse_training
from ...options._training import RunOptions
from ...records._description import describe
from ...records._run_folder import RunFolder
from ...records._tables import TableFiles, write_rows
from ...studies._ablation import (
    accuracy_of,
    Cell,
    plot_ablation,
    print_ablation,
    row_of,
    switched_off,
    variants_of,
    without_of,
)
from ...studies._cell import cell_run


@final
@dataclasses.dataclass(frozen=True)
class Ablation:
    """What to ablate, how often, and where to keep it."""

    ingredients: tuple[str, ...] = ()
    """Ingredients to leave out, one at a time; one that the rule lacks is put back instead. By default all."""
    seeds: int = 3
    """Meta-training runs of each variant."""
    run: Path | None = None
    """Folder of the runs; by default runs/ablation-PRESET. What is there already is not done again."""
    data_dir: Path | None = None
    """Folder of data sets; also METARULE_DATA."""
    table: Annotated[TableFiles, tyro.conf.arg(name="")] = TableFiles()


_COMMAND = Command(
    "ablate",
    "Meta-train a rule without each of its ingredients, with the same steps and seeds, and tell what each is worth.",
    "training",
)


def main(arguments: list[str]) -> int:
    """Runs `metarule ablate`."""
    share_cores()
    training, ablation = parse_training(arguments, Ablation(), _COMMAND)
    cache_compilations()
    if ablation.seeds < 1:
        raise BadInput(f"--seeds must be 1 or more; got {ablation.seeds}.")
    variants = variants_of(training, ablation.ingredients)
    path = ablation.run or Path("runs") / f"ablation-{training.preset}"
    RunFolder.open_or_create(path, describe(training))
    devices = Devices(distribution=DistributedOptions())
    cells: dict[str, list[Cell]] = {}
    rows: list[dict[str, Any]] = []
    for name, variant in {"whole rule": training, **variants}.items():
        cells[name] = []
        for seed in range(training.seed, training.seed + ablation.seeds):
            print(f"{name}, seed {seed}", flush=True)
            folder = path / name.replace(" ", "-") / f"seed{seed}"
            place = RunOptions(folder, data_dir=ablation.data_dir)
            finished = cell_run(dataclasses.replace(variant, seed=seed), place, devices)
            if finished.rows is None:
                print("Stopped and saved: the same command goes on.")
                return 0
            off = None
            if len(without_of(variant)) > len(without_of(training)):
                whole = path / "whole-rule" / f"seed{seed}" / "rule.safetensors"
                off = switched_off(whole, variant, folder / "switched-off.json", ablation.data_dir)
            cells[name].append(Cell(accuracy_of(finished.rows), off, finished.seconds))
        jax.clear_caches()  # Each variant has programs of its own: kept, they would fill the memory.
        rows = [row_of(name, own, cells["whole rule"]) for name, own in cells.items()]  # A table after every variant.
        for suffix in ("json", "csv"):
            write_rows(path / f"ablation.{suffix}", rows)
    plot_ablation(rows, path / "ablation.png")
    where = f"{training.preset}, {ablation.seeds} seeds, {', '.join(training.held_out)}"
    ablation.table.write_and(lambda: print_ablation(rows, f"What each ingredient is worth: {where}"), rows)
    print(f"Table and picture: {path / 'ablation.csv'}, {path / 'ablation.png'}.")
    return 0
