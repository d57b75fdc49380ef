from typing import Any

from ...meta import Length
from ...meta.estimators import Population, TruncatedBackprop
from ._recipes import Lean, Released
from ._training import Training


def _preset(name: str, tasks: int, window: Length, **settings: Any) -> Training:
    """A training with truncated backpropagation, which other estimators by name inherit the two numbers from."""
    estimator = TruncatedBackprop(Population(tasks), window)
    return Training(estimator=estimator, preset=name, tasks_per_step=tasks, window=window, **settings)


PRESETS: dict[str, Training] = {
    "quick": _preset(
        "quick",
        8,
        Length(20),
        rule=Lean(),
        sources=("glyphs",),
        augmentation="light",
        shots=10,
        horizon=Length(100),
        steps=140,
        validate_every=35,
        checkpoint_every=25,
        evaluation_steps=100,
    ),
    "small": _preset(
        "small",
        8,
        Length(20),
        rule=Lean(),
        networks=("64-64-64-64-32",),
        side=14,
        shots=10,
        horizon=Length(200),
        averaging=0.98,
        steps=360,
        validate_every=40,
        checkpoint_every=20,
        evaluation_steps=200,
    ),
    "paper": _preset(
        "paper",
        256,
        Length(10, 50, grow_over=100_000, start=0.2),
        rule=Released(),
        networks=("128-128-32", "256-128-128-32", "64-64-64-64-32", "512-256-32"),
        side=14,
        shots=10,
        batch_sizes=(128,),
        horizon=Length(2500, 3500, grow_over=100_000, start=0.02),
        regression_targets=True,
        weight_scale=0.01,
        learning_rate=3e-4,
        averaging=0.999,
        steps=200_000,
        validate_every=1000,
        checkpoint_every=1000,
        evaluation_steps=3000,
    ),
}
"""Named configurations: `quick` shows the idea in minutes, `small` takes half an hour of two cores, `paper` has the
sizes of arXiv 1804.00222 (where they are known) and wants accelerators."""
