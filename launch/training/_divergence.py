import math
from collections.abc import Mapping
from typing import final

from ...errors import BadInput


@final
class DivergenceGuard:
    """Counts meta-gradients that are not finite, and says when to go back and how small a step to take then.

    A single one is masked and counted in the metrics, as always. `PATIENCE` in a row mean that meta-training has run
    into a wall: it goes back to the last good checkpoint with half the step size, at most `LIMIT` times.
    """

    PATIENCE = 5
    LIMIT = 3

    def __init__(self, taken: int = 0):
        self.taken = taken  # A checkpoint holds this, so that a resume steps as the run did.
        self.row = 0

    @property
    def step_scale(self) -> float:
        """What steps are multiplied by."""
        return 0.5**self.taken

    def sentence(self, step: int) -> str:
        """What there is to say after going back."""
        return (
            f"{self.PATIENCE} meta-gradients in a row were not finite: back to step {step}, with steps of "
            f"{self.step_scale:g} of their size ({self.taken} of {self.LIMIT} times)."
        )

    def see(self, measured: Mapping[str, float]) -> bool:
        """Takes note of a meta-step's numbers; whether to go back now.

        Raises `BadInput` when that has been done too often.
        """
        names = ("meta_loss", "gradient_norm")
        self.row = 0 if all(math.isfinite(measured[name]) for name in names) else self.row + 1
        if self.row < self.PATIENCE:
            return False
        if self.taken == self.LIMIT:
            raise BadInput(
                f"{self.PATIENCE} meta-gradients in a row were not finite, even with steps of {self.step_scale:g} "
                f"of their size: begin again with a lower --learning-rate, a shorter --horizon or another --estimator. "
                "The last checkpoint is good."
            )
        self.taken, self.row = self.taken + 1, 0
        return True
