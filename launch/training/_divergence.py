import math
from collections.abc import Mapping
from typing import final

from ...errors import BadInput


@final
class DivergenceGuard:
    """Detects divergence: decides when a run must go back to its last checkpoint, and with which step size.

    A single meta-gradient that is not finite is masked and counted in the metrics. After `PATIENCE` of them in a row,
    meta-training has diverged: the run restarts from its last checkpoint with half the step size, at most `LIMIT`
    times. `taken` is the number of restarts so far, `row` the number of meta-gradients in a row that are not finite.
    """

    PATIENCE = 5
    LIMIT = 3

    def __init__(self, taken: int = 0):
        self.taken = taken  # Saved in checkpoints, so that a resumed run keeps its step size.
        self.row = 0

    @property
    def step_scale(self) -> float:
        """The factor for the size of outer steps."""
        return 0.5**self.taken

    def sentence(self, step: int) -> str:
        """Returns the message for the user after a restart from `step`."""
        return (
            f"{self.PATIENCE} meta-gradients in a row were not finite: back to step {step}, with steps of "
            f"{self.step_scale:g} of their size ({self.taken} of {self.LIMIT} times)."
        )

    def see(self, measured: Mapping[str, float]) -> bool:
        """Records the metrics of one meta-step and returns whether to go back to the last checkpoint.

        Raises `BadInput` after `LIMIT` restarts.
        """
        names = ("meta_loss", "gradient_norm")
        self.row = 0 if all(math.isfinite(measured[name]) for name in names) else self.row + 1
        if self.row < self.PATIENCE:
            return False
        if self.taken == self.LIMIT:
            raise BadInput(
                f"{self.PATIENCE} meta-gradients in a row were not finite, even with steps of {self.step_scale:g} "
                f"of their size: start again with a lower --learning-rate, a shorter --horizon or another --estimator. "
                "The last checkpoint is good."
            )
        self.taken, self.row = self.taken + 1, 0
        return True
