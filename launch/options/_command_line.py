import dataclasses
from collections.abc import Callable
from typing import Annotated, Any, final, TypeVar

import tyro

from ...errors import BadInput
from ...tasks import AbstractTasks
from ._estimators import ESTIMATORS, with_estimator
from ._fields import fields_as_options, with_options
from ._names import choose, own
from ._objectives import objective, OBJECTIVES
from ._parse import parse
from ._presets import PRESETS
from ._recipes import ARCHITECTURES, ExistingRule, recipe
from ._training import Training


_Options = TypeVar("_Options")


def take(arguments: list[str], option: str) -> tuple[str | None, list[str]]:
    """Takes `--option VALUE` or `--option=VALUE` out of a command line: its value, and the rest."""
    value, rest, waiting = None, [], False
    for argument in arguments:
        if waiting:
            value, waiting = argument, False
        elif argument == option:
            waiting = True
        elif argument.startswith(option + "="):
            value = argument.removeprefix(option + "=")
        else:
            rest.append(argument)
    if waiting:
        raise BadInput(f"{option} needs a value.")
    return value, rest


@final
@dataclasses.dataclass(frozen=True)
class Command:
    """A command that meta-trains: its name, its sentence, what stands before the options of a training, and which of
    its parts are chosen by name."""

    name: str
    sentence: str
    prefix: str = ""
    choices: tuple[str, ...] = ("rule", "estimator", "objective", "tasks")


_CHOICES: dict[str, Callable[[Training, str], Training]] = {
    "rule": lambda training, name: dataclasses.replace(training, rule=recipe(name)),
    "estimator": with_estimator,
    "objective": lambda training, name: dataclasses.replace(training, objective=objective(name)),
    "tasks": lambda training, name: dataclasses.replace(training, tasks=own(name, "tasks", AbstractTasks)),
}
"""How a training gets another part of this name."""


def parse_training(
    arguments: list[str],
    options: _Options,
    command: Command = Command("train", "Meta-train an update rule."),
) -> tuple[Training, _Options]:
    """Reads a command line: what to meta-train, and the command's own options, whose defaults are `options`.

    A preset and its parts are chosen by name first; every plain field of what was chosen is then an option.
    """
    preset, rest = take(arguments, "--preset")
    training = choose(preset or "quick", PRESETS, "preset")
    for choice in command.choices:
        name, rest = take(rest, f"--{choice}")
        if name is not None:
            training = _CHOICES[choice](training, name)
    parts = {choice: _settable(getattr(training, choice)) for choice in command.choices}
    parts = {choice: part for choice, part in parts.items() if part is not None}
    groups = {"own": (options, ""), "training": (fields_as_options(training), command.prefix)}
    for choice, part in parts.items():
        groups[choice] = fields_as_options(part, adjust=True), f"{command.prefix}.{choice}"
    # The parser reads types and defaults from a class: this one is made of the objects that were chosen.
    fields = [
        (group, Annotated[type(value), tyro.conf.arg(name=name.strip("."))], dataclasses.field(default=value))
        for group, (value, name) in groups.items()
    ]
    kind = dataclasses.make_dataclass("Options", fields)
    parsed: Any = parse(kind, rest, command.name, _description(command, training.preset))
    changed = {choice: with_options(part, getattr(parsed, choice)) for choice, part in parts.items()}
    if isinstance(training.rule, ExistingRule) and "rule" in changed:
        changed["rule"] = ExistingRule(changed["rule"])
    return dataclasses.replace(with_options(training, parsed.training), **changed), parsed.own


def _settable(part: Any) -> Any:
    """What has the fields that are options: of a given rule, the rule."""
    return part.rule if isinstance(part, ExistingRule) else part


def _description(command: Command, preset: str) -> str:
    known = {
        "rule": [*ARCHITECTURES, "MODULE:CLASS"],
        "estimator": [*ESTIMATORS, "evosax:NAME", "MODULE:CLASS"],
        "objective": [*OBJECTIVES, "MODULE:CLASS"],
        "tasks": ["MODULE:CLASS"],
    }
    choices = ", ".join(f"--{choice} {'|'.join(known[choice])}" for choice in command.choices)
    return (
        f"{command.sentence} First choose: --preset {'|'.join(PRESETS)}, {choices}; MODULE:CLASS is a class of your "
        f"own. The options below show what {preset} stands for; each can be set."
    )
