import dataclasses
from pathlib import Path
from typing import final

import jax.random as jr

from ...errors import BadInput
from ...models import AbstractArchitecture
from ...rules import AbstractRecipe, AbstractRule
from ..options._names import choose
from ..options._networks import network as make_network
from ..options._recipes import as_recipe, build
from ..records._rule_file import load_rule as load, locate_rule, read_header, shipped


_RECORD = {
    "network": "128-128-128-128-32",
    "activation": "relu",
    "weight_scale": 0.01,
    "evaluation_steps": 3000,
    "batch_size": 128,
}
"""What the authors used their rule with: for a rule file without a record."""

_OBJECT = {"network": "128-64", "activation": "relu", "weight_scale": 0.1, "evaluation_steps": 200, "batch_size": 32}
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
    skip: int = 0
    """Principal components of the inputs beside the base model's features."""
    memory: int = 0
    """Anchors of the memory that is recalled beside the base model's features, at most; 0 for no memory."""
    path: Path | None = None
    """The file that the rule comes from; None for a rule that was given as an object."""
    like: AbstractRecipe | None = None
    """How a rule of this structure is made, where its class is the user's own."""

    @staticmethod
    def of(
        rule: "str | Path | AbstractRule | TrainedRule",
        network: str | None = None,
        activation: str | None = None,
        like: AbstractRule | AbstractRecipe | None = None,
    ) -> "TrainedRule":
        """A rule from a rule file, a run folder or a shipped rule's name, or a rule that is there already.

        The base model is the rule's own where none is named. `like` is a rule or a recipe of the user's own class, for
        a file that holds such a rule. Raises `BadInput` for a file that is none, and for a network or an activation
        that can't be.
        """
        if isinstance(rule, TrainedRule):
            return rule
        own = None if like is None else as_recipe(like)
        path = None if isinstance(rule, AbstractRule) else locate_rule(rule)
        record = _OBJECT if path is None else {**_RECORD, **read_header(path)[1]}
        chosen, nonlinearity = network or str(record["network"]), activation or str(record["activation"])
        return TrainedRule(
            rule if isinstance(rule, AbstractRule) else _read(locate_rule(rule), own),
            make_network(chosen, nonlinearity, float(record["weight_scale"])),
            chosen,
            nonlinearity,
            int(record["evaluation_steps"]),
            int(record["batch_size"]),
            int(record.get("skip", 0)),
            int(record.get("memory", 0)),
            path,
            own,
        )

    def with_views(self, skip: int | None, memory: int | None) -> "TrainedRule":
        """The same rule with another skip path or memory, where one is given. Raises `BadInput` for a negative size."""
        chosen = {name: size for name, size in (("skip", skip), ("memory", memory)) if size is not None}
        for name, size in chosen.items():
            if size < 0:
                raise BadInput(f"{name} must be 0 or more; got {size}.")
        return dataclasses.replace(self, **chosen)

    @property
    def folder(self) -> Path:
        """Where drawings of the rule belong: beside its file; for a rule without a file of the user's, `runs/NAME`."""
        if self.path is None:
            return Path("runs") / "own"
        return Path("runs") / self.path.stem if self.path in shipped().values() else self.path.parent

    def untrained(self) -> AbstractRule:
        """A rule of the same structure before any meta-training. Raises `BadInput` where no file tells which."""
        if self.path is None:
            raise BadInput("A rule given as an object has no untrained form: leave `untrained` out of the encoders.")
        configuration, record = read_header(self.path)
        return build(configuration, jr.fold_in(jr.key(record.get("seed", 0)), 0), self.like)

    def read(self, path: Path) -> AbstractRule:
        """Another file that holds a rule of the same structure, such as a snapshot of the run."""
        return _read(path, self.like)


def pretrained(name: str = "default") -> AbstractRule:
    """A meta-trained rule that comes with the package, ready to update any base model.

    Raises `BadInput` for an unknown name, with the known ones. `metarule info NAME` prints a rule's card.
    """
    return load(choose(name, shipped(), "rule"), build)


def load_rule(path: str | Path, like: AbstractRule | AbstractRecipe | None = None) -> AbstractRule:
    """The rule in a rule file, in a run folder, or of a shipped rule's name. No code in the file is ever run.

    `like` is a rule or a recipe of the user's own class, for a file that holds one of that class. Raises `BadInput` for
    a damaged file, one that is no rule file, and one that holds a rule of another class or structure.
    """
    return _read(locate_rule(path), None if like is None else as_recipe(like))


def _read(path: Path, own: AbstractRecipe | None) -> AbstractRule:
    return load(path, lambda configuration: build(configuration, own_recipe=own))
