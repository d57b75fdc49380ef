from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import BadInput
from ..records._run_folder import RunFolder
from ._request import FigureRequest


def snapshots(request: FigureRequest, at_most: int | None = None) -> dict[int, Path]:
    """The rules that a run kept along its meta-training: those of the steps asked for, or some spread evenly.

    Raises `BadInput` where there are none, or not of those steps.
    """
    folder = RunFolder(request.trained.folder)
    there = folder.snapshots
    if not there:
        raise BadInput(f"{folder.path / 'snapshots'} holds no rules: give the folder of a run of `metarule train`.")
    steps = request.numbers(_spread(list(there), at_most), 0)
    missing = sorted(set(steps) - set(there))
    if missing:
        raise BadInput(
            f"{folder.path} kept no rule at step {missing[0]}; --values can be {', '.join(map(str, there))}."
        )
    return {step: there[step] for step in sorted(steps)}


def _spread(steps: Sequence[int], at_most: int | None) -> list[int]:
    if at_most is None or len(steps) <= at_most:
        return list(steps)
    return [steps[place] for place in np.linspace(0, len(steps) - 1, at_most).round().astype(int)]
