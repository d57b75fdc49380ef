import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import final

import jax

from ...errors import BadInput
from ...meta import InnerLoop
from ...models import AbstractImageArchitecture
from ...tasks import (
    AbstractAugmentation,
    AbstractTasks,
    Affine,
    Blur,
    Contrast,
    DataSet,
    ImageTasks,
    join,
    load,
    PixelNoise,
    Pool,
    RandomTables,
    Shade,
    Thicken,
    topics,
    VectorTasks,
)
from ..caches._embedded import cached_embedded
from ._names import choose
from ._networks import network
from ._presets import PRESETS
from ._training import Training


EMBEDDED = ("glyphs", "silhouettes", "shapes")
"""Sources that need no file, in the order in which `embedded` makes them."""

TOPICS = "topics"
"""Made-up texts, which need no file either."""

TABLES = "tables"
"""Made-up tables, another one for every task."""

_WORDS = 256

_CLASSES = 4
"""Classes of a made-up table, at most."""

AUGMENTATIONS: dict[str, tuple[AbstractAugmentation, ...]] = {
    "full": (Affine(), Thicken(), Blur(), Shade(), Contrast(), PixelNoise()),
    "light": (Affine(), PixelNoise()),
    "none": (),
}


Problems = tuple[InnerLoop, ...]


def problems_of(training: Training, data_dir: Path | None) -> tuple[Problems, Problems]:
    """The problems that meta-training takes turns on, and those to validate on.

    There is one for every network and every kind of input that the network takes: images of all sources are drawn from
    together, texts and tables with those of as many columns, made-up tables apart; convolutions and transformers take
    images alone. Validation uses embedded characters, shapes and made-up texts that no training task has, and made-up
    tables, each with the first network that takes them; tasks of the user's own class are validated on with other keys.
    Raises `BadInput` for what can't be.
    """
    _check(training)
    networks = [network(widths, training.activation, training.weight_scale) for widths in training.networks]

    def problem(tasks: AbstractTasks, turn: int) -> InnerLoop:
        architecture = networks[turn % len(networks)]
        if isinstance(architecture, AbstractImageArchitecture):  # Whether there are images, and whether it fits them.
            jax.eval_shape(lambda key: architecture(tasks.shape, key), jax.random.key(0))
        return InnerLoop(
            tasks=tasks,
            architecture=architecture,
            objective=training.objective,
            horizon=training.horizon,
            updates=training.updates,
        )

    if training.tasks is not None:
        _check_apart(training)
        return tuple(problem(training.tasks, turn) for turn in range(len(networks))), (problem(training.tasks, 0),)
    permuted = lambda turn: not isinstance(networks[turn % len(networks)], AbstractImageArchitecture)
    made, turns = _Sources(training, data_dir), max(len(networks), len(training.batch_sizes))

    def turns_of(tasks: _TasksOfTurn) -> list[int]:
        """The turns whose network takes such inputs; where none does, the first, whose network says why."""
        images = len(tasks(0, False).shape) == 3
        return [turn for turn in range(turns) if images or permuted(turn)] or [0]

    def of_turn(tasks: _TasksOfTurn, turn: int) -> InnerLoop:
        return problem(tasks(turn, permuted(turn)), turn)

    return (
        tuple(of_turn(tasks, turn) for turn in range(turns) for tasks in made.training if turn in turns_of(tasks)),
        tuple(of_turn(tasks, turns_of(tasks)[0]) for tasks in made.validation),
    )


_TasksOfTurn = Callable[[int, bool], AbstractTasks]
"""From the number of the turn, and whether images have their pixels permuted, to tasks."""


@final
class _Sources:
    """What a training's sources hold: tasks to train on and to validate on, each made for a turn."""

    def __init__(self, training: Training, data_dir: Path | None):
        self._training = training
        self._augmentation = choose(training.augmentation, AUGMENTATIONS, "augmentation")
        drawn = cached_embedded(training.side)
        images = dict(zip(EMBEDDED, drawn.training))
        names = [each for name in training.sources for each in (EMBEDDED if name == "embedded" else (name,))]

        def source(name: str) -> DataSet:
            if name == TOPICS:
                return topics(_WORDS, classes=160, seed=0)
            return images[name] if name in images else load(name, data_dir)

        pools = _pools([source(name) for name in names if name != TABLES])
        validation = {4: lambda: join(drawn.validation), 2: lambda: join([topics(_WORDS, classes=40, seed=1)])}
        kinds = sorted({pool.examples.ndim for pool in pools}, reverse=True)
        tables = [self._tables] * (TABLES in names)
        self.training: list[_TasksOfTurn] = [*(partial(self._drawn, pool) for pool in pools), *tables]
        self.validation: list[_TasksOfTurn] = [*(partial(self._drawn, validation[kind]()) for kind in kinds), *tables]

    def _tables(self, turn: int, permuted: bool) -> AbstractTasks:
        sizes, ways = self._training.batch_sizes, min(self._training.ways, _CLASSES)
        return RandomTables(ways=ways, shots=self._training.shots, batch_size=sizes[turn % len(sizes)])

    def _drawn(self, pool: Pool, turn: int, permuted: bool) -> AbstractTasks:
        """Tasks drawn from a pool, with the batch size whose turn it is; images have their pixels permuted or not."""
        training = self._training
        sizes = training.batch_sizes
        ways, shots, size = training.ways, training.shots, sizes[turn % len(sizes)]
        if pool.examples.ndim == 2:
            ways = min(ways, int(pool.index.classes.min()))  # A table has the classes that it has.
            return VectorTasks(pool, ways=ways, shots=shots, batch_size=size)
        return ImageTasks(
            pool,
            self._augmentation,
            ways=ways,
            shots=shots,
            batch_size=size,
            permuted=permuted,
            regression=training.regression_targets,
        )


def _pools(sources: list[DataSet]) -> list[Pool]:
    """Images first, all together, then vectors by their number of columns."""
    alike: dict[int, list[DataSet]] = {}
    for source in sources:
        alike.setdefault(source.input_size if source.train_x.ndim == 2 else 0, []).append(source)
    return [join(alike[columns]) for columns in sorted(alike)]


OF_SOURCES = ("sources", "augmentation", "side", "ways", "shots", "regression_targets")
"""Settings of the tasks that are made from sources: those of one's own have fields of their own."""


def _check_apart(training: Training) -> None:
    """Raises `BadInput` for a setting beside tasks of one's own that means nothing there."""
    preset = PRESETS[training.preset]
    for name in OF_SOURCES:
        if getattr(training, name) != getattr(preset, name):
            option = f"--{name.replace('_', '-')}"
            raise BadInput(f"{option} is of tasks that are made from sources: leave it out beside --tasks.")


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
