import dataclasses
from pathlib import Path
from typing import Annotated, Any, final, Literal

import tyro

from ...meta import AbstractObjective, Cosine, Length, RidgeObjective
from ...meta.estimators import AbstractEstimator
from ...rules import AbstractRecipe
from ...tasks import AbstractTasks
from ..records._tables import TableFiles
from ._fields import NO_OPTION


def _by_name(default: Any = dataclasses.MISSING) -> Any:
    """A field that a command line sets by a name, or not at all, and not as an option of its own."""
    return dataclasses.field(default=default, metadata=NO_OPTION)


@final
@dataclasses.dataclass(frozen=True)
class Training:
    """All that decides what a meta-training run does. A preset is a value of this class."""

    rule: AbstractRecipe = _by_name()
    """What is meta-trained. Choose another with --rule NAME."""
    estimator: AbstractEstimator = _by_name()
    """How the meta-gradient is estimated. Choose another with --estimator NAME."""
    objective: AbstractObjective = _by_name(RidgeObjective(Cosine()))
    """What the features are to be good for. Choose another with --objective NAME."""
    tasks: AbstractTasks | None = _by_name(None)
    """Tasks of one's own in place of those that are made from the sources: --tasks MODULE:CLASS."""
    preset: str = _by_name("quick")
    """Name of the preset that this began as."""
    tasks_per_step: int = _by_name(8)
    """Tasks in a meta-step, for estimators that are chosen by name."""
    window: Length = _by_name(Length(20))
    """Steps between two meta-steps, for estimators that are chosen by name."""
    start: str | None = None
    """The rule to begin with, instead of a fresh one: a rule file, a run folder or a shipped rule's name."""
    networks: tuple[str, ...] = ("32-32-32",)
    """Base models to meta-train with: layer widths, features last, or convolutions of images, such as
    conv5x5s2x32-3x3s2x64-quadrants. Several take turns, those of images on images alone."""
    activation: str = "relu"
    """relu, leaky-relu, swish, tanh or step."""
    weight_scale: float = 0.1
    """Standard deviation of a base model's initial weights."""
    sources: tuple[str, ...] = ("embedded",)
    """What to meta-train on: glyphs, silhouettes, shapes, all three as `embedded`, made-up texts as `topics` and tables
    as `tables`, or names of data sets. Images and vectors take turns."""
    augmentation: str = "full"
    """How tasks vary their images: none, `light` (moves, noise) or `full` (strokes and light too)."""
    side: int = 8
    """Side of the images, in pixels."""
    ways: int = 10
    """Classes in a task; of texts and tables with fewer, all that they have."""
    shots: int = 5
    """Labelled examples of each class that the meta-objective fits on; as many others score it."""
    batch_sizes: tuple[int, ...] = (32,)
    """Unlabelled examples in an inner step; several take turns, beside the networks."""
    horizon: Length = Length(60)
    """Outer-loss evaluations per unroll."""
    updates: int = 1
    """Inner steps per outer-loss evaluation."""
    regression_targets: bool = False
    """Whether the augmentation's coefficients are to be predicted too."""
    optimiser: Literal["adam", "sgd"] = "adam"
    """Outer optimiser: Adam with warm-up, cosine decay and a clipped gradient norm, or plain steps."""
    learning_rate: float = 1e-2
    """Peak step size of the outer optimiser."""
    averaging: float = 0.9
    """Share of the meta-parameters' moving average that a meta-step keeps."""
    steps: int = 300
    """Meta-steps."""
    seed: int = 0
    """Decides everything that is drawn: the initial rule, tasks, batches, base models, noise."""
    validate_every: int = 50
    """Meta-steps between validations on characters and shapes of their own; the best average becomes the rule."""
    checkpoint_every: int = 50
    """Meta-steps between checkpoints."""
    held_out: tuple[str, ...] = ("digits",)
    """Data sets of the final table; nothing is chosen by them."""
    evaluation_steps: int = 200
    """Inner steps on unlabelled examples in the final table."""
    labels: int = 10
    """Labelled examples of each class in the final table."""
    seeds: int = 10
    """Repetitions in the final table."""


@final
@dataclasses.dataclass(frozen=True)
class RunOptions:
    """Where a run is stored, and where its data are."""

    run: Path | None = None
    """Folder of the run; by default runs/PRESET-seedN, with a number added if that is taken."""
    resume: bool = False
    """Go on with the run in --run (or in the default folder) from its last checkpoint."""
    data_dir: Path | None = None
    """Folder of data sets; also METARULE_DATA."""
    table: Annotated[TableFiles, tyro.conf.arg(name="")] = TableFiles()
    wandb: str | None = None
    """Also send metrics to this project of Weights & Biases."""
