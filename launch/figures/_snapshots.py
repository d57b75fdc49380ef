from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...errors import BadInput
from ..records._metrics import read_metrics
from ..records._rule_file import read_header, shipped
from ..records._run_folder import RunFolder
from ._request import FigureRequest


def snapshots(request: FigureRequest, at_most: int | None = None) -> dict[int, Path]:
    """Returns the rule files that a run saved during meta-training, by meta-step in ascending order.

    The meta-steps are the request's values or else all, thinned evenly to `at_most`. Raises `BadInput` where the run
    saved no rules, or none at one of these steps.
    """
    folder = RunFolder(request.trained.folder)
    available = folder.snapshots
    if not available:
        raise nothing_kept(request, f"{folder.path / 'snapshots'} holds no rules")
    steps = request.numbers(_evenly_spaced(list(available), at_most), 0)
    missing = sorted(set(steps) - set(available))
    if missing:
        raise BadInput(
            f"{folder.path} has no rule of meta-step {missing[0]}; --values can be {', '.join(map(str, available))}."
        )
    return {step: available[step] for step in sorted(steps)}


def own_seconds(request: FigureRequest, files: Mapping[int, Path]) -> dict[int, float]:
    """Returns the seconds of meta-training up to each of these meta-steps, without compilation.

    They come from the run's metrics or, where those don't have them, from the rule files, which count compilation.
    """
    metrics = RunFolder(request.trained.folder).metrics
    measured = {line["step"]: line for line in read_metrics(metrics)} if metrics.exists() else {}
    found = {}
    for step, path in files.items():
        seconds = measured.get(step, {}).get("own_seconds", read_header(path)[1].get("seconds"))
        found[step] = float(seconds) if isinstance(seconds, int | float) else 0.0
    return found


def nothing_kept(request: FigureRequest, what: str) -> BadInput:
    """What to say where a figure needs files of a run that are not there: a shipped rule comes without them."""
    path = request.trained.path
    if path is not None and path in shipped().values():
        return BadInput(
            f"The rule {path.stem!r} comes without the files of its run: meta-train one of your own by the command "
            f"that `metarule info {path.stem}` shows, and give the folder of that run."
        )
    return BadInput(f"{what}: give the folder of a run of `metarule train`.")


def _evenly_spaced(steps: Sequence[int], at_most: int | None) -> list[int]:
    if at_most is None or len(steps) <= at_most:
        return list(steps)
    return [steps[index] for index in np.linspace(0, len(steps) - 1, at_most).round().astype(int)]
