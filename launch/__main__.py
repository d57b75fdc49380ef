import importlib
import sys
from collections.abc import Callable


_COMMANDS = {
    "train": "Meta-train an update rule and print how useful its features are.",
    "evaluate": "Score a rule's features with few labels, beside its baselines.",
    "encode": "Turn unlabelled data into features by a trained rule, and write them to a file.",
    "ablate": "Meta-train a rule without each of its ingredients and tell what each is worth.",
    "compare": "Measure estimators of the meta-gradient: bias, variance, cost, and what they learn.",
    "figure": "Draw a figure of a rule: generalisation, depth, width, filters and others.",
    "report": "Put a run's results and figures on one page.",
    "watch": "Show how a run goes, while it goes.",
    "pod-check": "Print devices and links of one or many hosts, and measure them, before a long run.",
    "bench": "Measure how fast things run here: inner steps, meta-gradients, estimators, the start.",
    "info": "Show versions, devices, the data sets at hand, and what a rule file holds.",
    "import-released": "Turn the authors' released TensorFlow checkpoint into a rule file.",
    "data": "List the data sets at hand and what to do for the others; prepare one.",
}
"""A command's name and its sentence. The command `x-y` is the function `main(arguments) -> int` of
`launch/commands/_x_y.py`."""


def main(argv: list[str] | None = None) -> int:
    """The console script `metarule`: runs one command and returns its exit code.

    0: done. 2: something the user gave can't be used. 130: interrupted. Anything else ends in a traceback and 1.
    Only the command that was asked for is imported, so that `metarule --help` is instant.
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
    start.collect_seldom()
    try:
        return _function(name)(arguments)
    except KeyboardInterrupt:
        print("metarule: interrupted.", file=sys.stderr)
        return 130
    except SystemExit as end:  # How the parser ends, after --help as after a mistyped option.
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
