from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import BadInput
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
        raise BadInput(f"{folder.path / 'snapshots'} holds no rules: give the folder of a run of `metarule train`.")
    steps = request.numbers(_evenly_spaced(list(available), at_most), 0)
    missing = sorted(set(steps) - set(available))
    if missing:
        raise BadInput(
            f"{folder.path} has no rule of meta-step {missing[0]}; --values can be {', '.join(map(str, available))}."
        )
    return {step: available[step] for step in sorted(steps)}


def _evenly_spaced(steps: Sequence[int], at_most: int | None) -> list[int]:
    if at_most is None or len(steps) <= at_most:
        return list(steps)
    return [steps[index] for index in np.linspace(0, len(steps) - 1, at_most).round().astype(int)]
