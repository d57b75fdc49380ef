from ...meta import Length
from ...meta.estimators import Population, TruncatedBackprop
from ._recipes import Lean, Released
from ._training import Training


PRESETS: dict[str, Training] = {
    "quick": Training(
        rule=Lean(),
        estimator=TruncatedBackprop(Population(8), Length(20)),
        sources=("glyphs",),
        augmentation="light",
        shots=10,
        horizon=Length(100),
        steps=140,
        validate_every=35,
        checkpoint_every=25,
        evaluation_steps=100,
    ),
    "small": Training(
        rule=Lean(),
        estimator=TruncatedBackprop(Population(8), Length(20)),
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
    "paper": Training(
        rule=Released(),
        estimator=TruncatedBackprop(Population(256), Length(10, 50, grow_over=100_000, start=0.2)),
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
