import dataclasses
from pathlib import Path
from typing import final

import jax.random as jr

from ...models import MultiLayerPerceptron
from ...rules import AbstractRule
from ..options._names import choose
from ..options._networks import network as make_network
from ..options._recipes import build
from ..records._rule_file import load_rule, locate_rule, read_header, shipped


@final
@dataclasses.dataclass(frozen=True)
class TrainedRule:
    """A trained rule, and how it is used unless a person says otherwise: base model, inner steps, batch size."""

    path: Path
    rule: AbstractRule
    architecture: MultiLayerPerceptron
    activation: str
    steps: int
    batch_size: int

    @staticmethod
    def of(rule: str | Path, network: str | None = None, activation: str | None = None) -> "TrainedRule":
        """Reads a rule file, a run folder or a shipped rule. The base model is the rule's own where none is named.

        Raises `BadInput` for a file that is none, and for a network or an activation that can't be.
        """
        path = locate_rule(rule)
        _, record = read_header(path)
        widths: str = network or record.get("network", "128-128-128-128-32")
        nonlinearity: str = activation or record.get("activation", "relu")
        return TrainedRule(
            path,
            load_rule(path, build),
            make_network(widths, nonlinearity, record.get("weight_scale", 0.01)),
            nonlinearity,
            record.get("evaluation_steps", 3000),
            record.get("batch_size", 128),
        )

    @property
    def folder(self) -> Path:
        """Where what is drawn of the rule belongs: beside it; for one that comes with the package, `runs/NAME`."""
        return Path("runs") / self.path.stem if self.path in shipped().values() else self.path.parent

    def untrained(self) -> AbstractRule:
        """A rule of the same kind before any meta-training."""
        configuration, record = read_header(self.path)
        return build(configuration, jr.fold_in(jr.key(record.get("seed", 0)), 0))


def pretrained(name: str = "default") -> AbstractRule:
    """A meta-trained rule that comes with the package, ready to update any base model.

    Raises `BadInput` for an unknown name, with the known ones. `metarule info NAME` prints a rule's card.
    """
    return load_rule(choose(name, shipped(), "rule"), build)
