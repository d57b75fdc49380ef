import math
from pathlib import Path

from ..meta import AbstractScore, Cosine, Hinge, InnerLoop, RidgeObjective, Squared
from ..tasks import (
    AbstractAugmentation,
    Affine,
    BadInput,
    Blur,
    Contrast,
    embedded,
    ImageTasks,
    join,
    load,
    Noise,
    Pool,
    Shade,
    Thicken,
)
from ._configuration import choose, Training
from ._network import network


EMBEDDED = ("glyphs", "silhouettes", "shapes")
"""Sources that need no file, in the order in which `embedded` makes them."""

AUGMENTATIONS: dict[str, tuple[AbstractAugmentation, ...]] = {
    "full": (Affine(), Thicken(), Blur(), Shade(), Contrast(), Noise()),
    "light": (Affine(), Noise()),
    "none": (),
}

SCORES: dict[str, AbstractScore] = {"cosine": Cosine(), "squared": Squared(), "hinge": Hinge()}


def problems_of(training: Training, data_dir: Path | None) -> tuple[tuple[InnerLoop, ...], InnerLoop]:
    """The problems that meta-training takes turns on, one for each network, and one to validate on.

    Validation uses embedded characters and shapes that no training task has. Raises `BadInput` for what can't be.
    """
    _check(training)
    made = embedded(training.side)
    by_name = dict(zip(EMBEDDED, made.training))
    names = [each for name in training.sources for each in (EMBEDDED if name == "embedded" else (name,))]
    sources = [by_name[name] if name in by_name else load(name, data_dir) for name in names]
    augmentation = choose(training.augmentation, AUGMENTATIONS, "augmentation")
    networks = [network(widths, training.activation, training.weight_scale) for widths in training.networks]
    objective = RidgeObjective(choose(training.score, SCORES, "score"))

    def problem(pool: Pool, turn: int) -> InnerLoop:
        tasks = ImageTasks(
            pool,
            augmentation,
            ways=training.ways,
            shots=training.shots,
            batch_size=training.batch_sizes[turn % len(training.batch_sizes)],
            regression=training.regression_targets,
        )
        return InnerLoop(
            tasks=tasks,
            architecture=networks[turn % len(networks)],
            objective=objective,
            horizon=training.horizon,
            updates=training.updates,
        )

    pool = join(sources)
    turns = max(len(networks), len(training.batch_sizes))
    return tuple(problem(pool, turn) for turn in range(turns)), problem(join(made.validation), 0)


def _check(training: Training) -> None:
    if not training.sources or not training.networks or not training.batch_sizes:
        raise BadInput("Meta-training needs at least one of --sources, of --networks and of --batch-sizes.")
    for name in ("steps", "updates", "validate_every", "checkpoint_every", "evaluation_steps", "labels", "seeds"):
        if getattr(training, name) < 1:
            raise BadInput(f"--{name.replace('_', '-')} must be 1 or more; got {getattr(training, name)}.")
    for name in ("weight_scale", "learning_rate"):
        if not 0 < getattr(training, name) < math.inf:
            raise BadInput(f"--{name.replace('_', '-')} must be above 0; got {getattr(training, name)}.")
    if not 0 <= training.averaging < 1:
        raise BadInput(f"--averaging is a share of at least 0 and below 1; got {training.averaging}.")
    window = getattr(training.estimator, "window", None)
    horizon = training.horizon
    if window is not None and window.fixed and horizon.fixed and horizon.maximum % window.maximum:
        raise BadInput(
            f"A window of {window.maximum} does not divide an episode of {horizon.maximum}: "
            f"take a horizon that is a multiple of it."
        )
