import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Any, final, TypeVar

import tyro

from ...errors import BadInput
from ._names import choose
from ._recipes import ARCHITECTURES
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
    """A command that meta-trains: its name, its sentence, and what stands before the options of a training."""

    name: str
    sentence: str
    prefix: str = ""


def parse_training(
    arguments: list[str],
    presets: Mapping[str, Training],
    adapt: Callable[[Training, str], Training],
    options: _Options,
    command: Command = Command("train", "Meta-train an update rule."),
) -> tuple[str, Training, _Options]:
    """Reads a command line: the preset's name, what to meta-train, and the command's own options.

    A preset, an estimator and a rule are chosen by name first; every field of what was chosen is then an option.
    `adapt` puts an estimator of a name into a training.
    """
    preset, rest = take(arguments, "--preset")
    estimator, rest = take(rest, "--estimator")
    rule, rest = take(rest, "--rule")
    preset = preset or "quick"
    training = choose(preset, presets, "preset")
    if rule is not None:
        training = dataclasses.replace(training, rule=choose(rule, ARCHITECTURES, "rule")())
    if estimator is not None:
        training = adapt(training, estimator)

    def parsed(
        options: Annotated[Any, tyro.conf.arg(name="")] = options,
        training: Annotated[Training, tyro.conf.arg(name=command.prefix)] = training,
    ) -> tuple[Any, Training]:
        return options, training

    parsed.__annotations__["options"] = Annotated[type(options), tyro.conf.arg(name="")]
    description = (
        f"{command.sentence} First choose: --preset "
        + "|".join(presets)
        + ", --estimator NAME, --rule "
        + "|".join(ARCHITECTURES)
        + f". The options below show what {preset} stands for; each can be set."
    )
    options, training = tyro.cli(
        tyro.conf.configure(tyro.conf.AvoidSubcommands, tyro.conf.FlagCreatePairsOff)(parsed),
        args=rest,
        prog=f"metarule {command.name}",
        description=description,
    )
    return preset, training, options
