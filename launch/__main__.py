import importlib
import sys
from collections.abc import Callable


_COMMANDS = {
    "train": "Meta-train an update rule and print how useful its features are.",
    "evaluate": "Score a rule's features with few labels and compare them with baselines.",
    "encode": "Turn unlabelled data into features with a trained rule, and write them to a file.",
    "ablate": "Meta-train a rule without each of its ingredients in turn, and report what each contributes.",
    "compare": "Measure estimators of the meta-gradient: bias, variance, cost and the accuracy they lead to.",
    "figure": "Draw a figure of a rule: generalisation, depth, width, filters and more.",
    "report": "Put a run's results and figures on one page.",
    "watch": "Show the progress of a run, live or after it has ended.",
    "pod-check": "List the devices of one or many hosts and time sums over them, before a long run.",
    "bench": "Measure speed on this machine: inner steps, meta-gradients, estimators, the start.",
    "info": "Show versions, devices, available data sets, and what a rule file holds.",
    "import-released": "Turn the authors' released TensorFlow checkpoint into a rule file.",
    "data": "List available data sets and what the others need; prepare one.",
}
"""Commands by name, each with its line in `metarule --help`. The command `x-y` is the function
`main(arguments) -> int` of `launch/commands/_x_y.py`."""


def main(argv: list[str] | None = None) -> int:
    """Runs one command of the console script `metarule` and returns its exit code.

    The code is 0 for success, 2 for input that can't be used and 130 after Ctrl-C; any other error ends in a traceback
    and code 1. Only the module of the given command is imported, so that `metarule --help` is instant.
    """
    name, *arguments = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if name in ("-V", "--version"):
        print(f"metarule {_version()}")
        return 0
    if name not in _COMMANDS and ":" not in name:
        return _refuse(f"There is no command {name!r}; the commands are {', '.join(_COMMANDS)}, and MODULE:FUNCTION.")
    start = importlib.import_module("._start", __package__)
    start.silence()
    start.say_warnings_plainly()
    start.collect_seldom()
    try:
        return _function(name)(arguments)
    except KeyboardInterrupt:
        print("metarule: interrupted.", file=sys.stderr)
        return 130
    except SystemExit as end:  # Raised by the parser, after --help and after a mistyped option alike.
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except ValueError as error:
        if not start.is_bad_input(error):
            raise
        return _refuse(str(error))


def _function(name: str) -> Callable[[list[str]], int]:
    """The function of a command, or the user's own that `MODULE:FUNCTION` names."""
    if ":" in name:
        return importlib.import_module(".options._names", __package__).own_function(name, "command")
    return importlib.import_module(f".commands._{name.replace('-', '_')}", __package__).main


def _overview() -> str:
    width = max(map(len, _COMMANDS))
    lines = [f"  {name:<{width}}  {sentence}" for name, sentence in _COMMANDS.items()]
    usage = "usage: metarule COMMAND [OPTIONS]\n\nMeta-learn update rules for unsupervised representation learning."
    return "\n".join([usage, "", *lines, "", "`metarule COMMAND --help` explains a command; `--version` prints it."])


def _version() -> str:
    return importlib.import_module("importlib.metadata").version("metarule")


def _refuse(sentence: str) -> int:
    print(f"metarule: {sentence}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
