import dataclasses
import typing
from pathlib import Path
from typing import Any, final

import jax
import jax.random as jr

from ...errors import BadInput
from ...models import AbstractArchitecture, AbstractImageArchitecture, ViewSizes
from ...rules import AbstractRecipe, AbstractRule
from ..options._fields import fitting
from ..options._networks import network as make_network
from ..options._recipes import as_recipe, build, recipe
from ..records._hub import hub_name, PREFIX
from ..records._rule_file import load_rule as load, locate_rule, read_header, shipped


@final
@dataclasses.dataclass(frozen=True)
class Usage:
    """What a rule is used with by default, as the record of its file says: base model, steps and sizes.

    Where a file has no record, it is the authors' own rule, and these are what they used it with.
    """

    network: str = "128-128-128-128-32"
    image_network: str = ""
    """The base model for images; empty for the same one as for rows of numbers."""
    activation: str = "relu"
    weight_scale: float = 0.01
    evaluation_steps: int = 3000
    batch_size: int = 128
    skip: int = 0
    prototypes: int = 0
    memory: int = 0
    seed: int = 0

    @staticmethod
    def of(record: dict[str, Any]) -> "Usage":
        """The usage in a record, of which other fields are ignored.

        Raises `BadInput` for a field of another type, and for a number that can't be meant.
        """
        hints = typing.get_type_hints(Usage)
        usage = Usage(**{name: fitting(record[name], hint, name) for name, hint in hints.items() if name in record})
        for name, (least, most) in _BOUNDS.items():
            if not least <= getattr(usage, name) <= most:
                raise BadInput(f"A rule file's {name} lies between {least:,} and {most:,}; got {getattr(usage, name)}.")
        return usage


_BOUNDS = {
    "weight_scale": (0, 1000),
    "evaluation_steps": (0, 10**9),
    "batch_size": (1, 10**6),
    "skip": (0, 10**5),
    "prototypes": (0, 10**5),
    "memory": (0, 10**6),
    "seed": (0, 2**32 - 1),
}
"""The least and the largest value: what is larger would be allocated before anybody could say so."""

_OBJECT = Usage(network="128-64", weight_scale=0.1, evaluation_steps=200, batch_size=32)
"""For a rule that comes from no file: as the shipped rule."""


@final
@dataclasses.dataclass(frozen=True)
class TrainedRule:
    """A rule and what it is used with unless a person says otherwise: base model, inner steps, batch size."""

    rule: AbstractRule
    architecture: AbstractArchitecture
    network: str
    """The architecture as a person types it."""
    activation: str
    steps: int
    batch_size: int
    beside: ViewSizes = ViewSizes()
    """What stands beside the base model's features."""
    path: Path | None = None
    """The file that the rule comes from; None for a rule that was given as an object."""
    like: AbstractRecipe | None = None
    """How a rule of this structure is made, where its class is the user's own."""
    of_images: tuple[str, AbstractArchitecture] | None = None
    """The base model for images, as text and as architecture, where it is another one."""

    @staticmethod
    def of(
        rule: "str | Path | AbstractRule | TrainedRule",
        network: str | None = None,
        activation: str | None = None,
        like: AbstractRule | AbstractRecipe | None = None,
    ) -> "TrainedRule":
        """A rule from a rule file, a run folder or a shipped rule's name, or a rule that is there already.

        `MODULE:CLASS` is a rule or recipe, such as `metarule.rules:Oja`, with the defaults of its fields. The base
        model is the rule's own where none is named. `like` is a rule or a recipe of the user's own class, for a file
        that holds such a rule. Raises `BadInput` for a file that is none, and for a network or an activation that can't
        be.
        """
        if isinstance(rule, TrainedRule):
            if network is not None or activation is not None:
                raise BadInput("This rule is given with its network and activation: leave both out.")
            return rule
        own = None if like is None else as_recipe(like)
        if _names_class(rule):
            place = Path(str(rule).partition(":")[0])
            if place.is_file() and place.suffix != ".py":
                raise BadInput(f"{rule} names data, where a rule is expected; `evaluate` takes data behind --tasks.")
            own = recipe(str(rule))
            rule = own.build(jr.key(0))
        path = None if isinstance(rule, AbstractRule) else locate_rule(rule)
        usage = _OBJECT if path is None else Usage.of(read_header(path)[1])
        chosen, nonlinearity = network or usage.network, activation or usage.activation
        of_images = "" if network else usage.image_network
        return TrainedRule(
            rule if isinstance(rule, AbstractRule) else _read(locate_rule(rule), own),
            make_network(chosen, nonlinearity, usage.weight_scale),
            chosen,
            nonlinearity,
            usage.evaluation_steps,
            usage.batch_size,
            ViewSizes(usage.skip, usage.prototypes, usage.memory),
            path,
            own,
            (of_images, make_network(of_images, nonlinearity, usage.weight_scale)) if of_images else None,
        )

    @property
    def name(self) -> str:
        """What to call the rule beside others: by its file, by the folder of its run, or by its class."""
        if self.path is None:
            return type(self.rule).__name__
        return self.path.parent.resolve().name if self.path.name == "rule.safetensors" else self.path.stem

    @property
    def sees_images(self) -> bool:
        """Whether the base model needs images in their own order, and not rows of numbers."""
        return isinstance(self.architecture, AbstractImageArchitecture)

    def on(self, network: str) -> "TrainedRule":
        """The same rule with another base model, as a person types it. Raises `BadInput` for one that can't be."""
        return TrainedRule.of(self.path or self.rule, network, self.activation, self.like)

    def seeing(self, image_shape: tuple[int, int, int] | None) -> "TrainedRule":
        """The same rule with its base model for images of this shape, or for rows of numbers where there is none.

        Images that are too small for the one for images are seen as rows of their pixels.
        """
        rows = dataclasses.replace(self, of_images=None)
        if image_shape is None or self.of_images is None:
            return rows
        network, architecture = self.of_images
        try:
            jax.eval_shape(lambda key: architecture(image_shape, key), jr.key(0))
        except BadInput:
            return rows
        return dataclasses.replace(rows, network=network, architecture=architecture)

    def with_views(self, skip: int | None, prototypes: int | None, memory: int | None) -> "TrainedRule":
        """The same rule with other sizes of what stands beside it, where they are given.

        Raises `BadInput` for a negative one.
        """
        given = zip(ViewSizes._fields, (skip, prototypes, memory))
        chosen = {name: size for name, size in given if size is not None}
        for name, size in chosen.items():
            _check_number(name, size, 0)
        return dataclasses.replace(self, beside=self.beside._replace(**chosen))

    def with_batches(self, steps: int | None, batch_size: int | None) -> "TrainedRule":
        """The same rule with another number of steps or examples in a batch. Raises `BadInput` for what can't be."""
        steps = self.steps if steps is None else steps
        batch_size = self.batch_size if batch_size is None else batch_size
        _check_number("steps", steps, 0)
        _check_number("batch_size", batch_size, 2)
        return dataclasses.replace(self, steps=steps, batch_size=batch_size)

    @property
    def folder(self) -> Path:
        """Where drawings of the rule belong: beside its file; for a shipped one, or one from
        the Hub, `runs/NAME`; for a rule that is an object `runs/own`."""
        if self.path is None:
            return Path("runs") / "own"
        if (name := hub_name(self.path)) is not None:
            return Path("runs") / name
        return Path("runs") / self.path.stem if self.path in shipped().values() else self.path.parent

    def untrained(self) -> AbstractRule:
        """A rule of the same structure before any meta-training. Raises `BadInput` where no file tells which."""
        if self.path is None and self.like is not None:
            return self.like.build(jr.fold_in(jr.key(0), 0))
        if self.path is None:
            raise BadInput("A rule given as an object has no untrained form: leave `untrained` out of the encoders.")
        configuration, record = read_header(self.path)
        return build(configuration, jr.fold_in(jr.key(Usage.of(record).seed), 0), self.like)

    def read(self, path: Path) -> AbstractRule:
        """Another file that holds a rule of the same structure, such as a snapshot of the run."""
        return _read(path, self.like)


def _check_number(name: str, number: int, least: int) -> None:
    if number < least:
        raise BadInput(f"{name} must be {least} or more; got {number}.")


def _names_class(rule: str | Path | AbstractRule) -> bool:
    text = "" if isinstance(rule, AbstractRule) else str(rule)
    return ":" in text and not text.startswith(PREFIX) and not Path(text).exists()


def pretrained(name: str | Path = "default") -> AbstractRule:
    """A meta-trained rule, ready to update any base model: by the name of one that comes with the package, the path of
    a rule file or of a run's folder, or `hf:OWNER/NAME` on the Hugging Face Hub.

    Raises `BadInput` where there is none, with the known names. `metarule info NAME` prints a rule's card.
    """
    return load(locate_rule(name), build)


def load_rule(path: str | Path, like: AbstractRule | AbstractRecipe | None = None) -> AbstractRule:
    """The rule in a rule file, in a run folder, or of a shipped rule's name. No code in the file is ever run.

    `like` is a rule or a recipe of the user's own class, for a file that holds one of that class. Raises `BadInput` for
    a damaged file, one that is no rule file, and one that holds a rule of another class or structure.
    """
    return _read(locate_rule(path), None if like is None else as_recipe(like))


def _read(path: Path, own: AbstractRecipe | None) -> AbstractRule:
    return load(path, lambda configuration: build(configuration, own_recipe=own))
