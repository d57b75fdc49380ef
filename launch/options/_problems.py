import math
from pathlib import Path

from ...errors import BadInput
from ...meta import AbstractScore, Cosine, Hinge, InnerLoop, RidgeObjective, Squared
from ...tasks import (
    AbstractAugmentation,
    Affine,
    Blur,
    Contrast,
    DataSet,
    embedded,
    ImageTasks,
    join,
    load,
    PixelNoise,
    Pool,
    Shade,
    Thicken,
    topics,
    VectorTasks,
)
from ._names import choose
from ._networks import network
from ._training import Training


EMBEDDED = ("glyphs", "silhouettes", "shapes")
"""Sources that need no file, in the order in which `embedded` makes them."""

TOPICS = "topics"
"""Made-up texts, which need no file either."""

_WORDS = 256

AUGMENTATIONS: dict[str, tuple[AbstractAugmentation, ...]] = {
    "full": (Affine(), Thicken(), Blur(), Shade(), Contrast(), PixelNoise()),
    "light": (Affine(), PixelNoise()),
    "none": (),
}

SCORES: dict[str, AbstractScore] = {"cosine": Cosine(), "squared": Squared(), "hinge": Hinge()}


def problems_of(training: Training, data_dir: Path | None) -> tuple[tuple[InnerLoop, ...], tuple[InnerLoop, ...]]:
    """The problems that meta-training takes turns on, and those to validate on.

    There is one for every network and every kind of input: images of all sources are drawn from together, texts and
    tables with those of as many columns. Validation uses embedded characters, shapes and made-up texts that no training
    task has. Raises `BadInput` for what can't be.
    """
    _check(training)
    made = embedded(training.side)
    images = dict(zip(EMBEDDED, made.training))
    names = [each for name in training.sources for each in (EMBEDDED if name == "embedded" else (name,))]

    def source(name: str) -> DataSet:
        if name == TOPICS:
            return topics(_WORDS, classes=160, seed=0)
        return images[name] if name in images else load(name, data_dir)

    sources = [source(name) for name in names]
    augmentation = choose(training.augmentation, AUGMENTATIONS, "augmentation")
    networks = [network(widths, training.activation, training.weight_scale) for widths in training.networks]
    objective = RidgeObjective(choose(training.score, SCORES, "score"))

    def problem(pool: Pool, turn: int) -> InnerLoop:
        ways, shots, size = training.ways, training.shots, training.batch_sizes[turn % len(training.batch_sizes)]
        if pool.examples.ndim == 2:
            tasks = VectorTasks(pool, ways=ways, shots=shots, batch_size=size)
        else:
            targets = training.regression_targets
            tasks = ImageTasks(pool, augmentation, ways=ways, shots=shots, batch_size=size, regression=targets)
        return InnerLoop(
            tasks=tasks,
            architecture=networks[turn % len(networks)],
            objective=objective,
            horizon=training.horizon,
            updates=training.updates,
        )

    pools = _pools(sources)
    turns = max(len(networks), len(training.batch_sizes))
    validation = {4: lambda: join(made.validation), 2: lambda: join([topics(_WORDS, classes=40, seed=1)])}
    kinds = sorted({pool.examples.ndim for pool in pools}, reverse=True)
    return (
        tuple(problem(pool, turn) for turn in range(turns) for pool in pools),
        tuple(problem(validation[kind](), 0) for kind in kinds),
    )


def _pools(sources: list[DataSet]) -> list[Pool]:
    """Images first, all together, then vectors by their number of columns."""
    alike: dict[int, list[DataSet]] = {}
    for source in sources:
        alike.setdefault(source.input_size if source.train_x.ndim == 2 else 0, []).append(source)
    return [join(alike[columns]) for columns in sorted(alike)]


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
