import errno
import importlib
import os
import sys
from collections.abc import Callable
from typing import NoReturn


_ROOMS = {
    "learn": (
        "Learn a rule",
        {
            "train": "Meta-train an update rule and print how useful its features are.",
            "ablate": "Meta-train a rule without each of its ingredients in turn, and report what each contributes.",
            "compare": "Measure estimators of the meta-gradient: bias, variance, cost and the accuracy they lead to.",
        },
    ),
    "use": (
        "Use it on data",
        {
            "evaluate": "Score a rule's features with few labels and compare them with baselines.",
            "try": "Say whether a rule beats raw inputs, PCA and k-means on your data, labelled or not.",
            "encode": "Turn unlabelled data into features with a trained rule, and write them to a file.",
            "export": "Write a fitted encoder as ONNX, or as a module of PyTorch or NumPy.",
            "data": "List data sets, say where one comes from and fetch it, or prepare one.",
        },
    ),
    "look": (
        "Look at it",
        {
            "inspect": "Show what a rule does: its numbers, and each term's share in the change of weights.",
            "figure": "Draw a figure of a rule: generalisation, depth, width, filters and more.",
            "report": "Put a run's results and figures on one page.",
            "runs": "List the runs in a folder: how far each is, and what its rule is worth.",
            "watch": "Show the progress of a run, live or after it has ended.",
            "info": "Show versions, devices, available data sets, and what a rule file holds.",
            "card": "Write a model card of a run, to share its rule with.",
        },
    ),
    "machine": (
        "Machines, and rules from elsewhere",
        {
            "bench": "Measure speed on this machine: inner steps, meta-gradients, estimators, the start.",
            "pod-check": "List the devices of one or many hosts and time sums over them, before a long run.",
            "import-released": "Turn the authors' released TensorFlow checkpoint into a rule file.",
        },
    ),
}
"""The rooms of `launch/commands/`, each with its heading and its commands' lines in `metarule --help`."""

_COMMANDS = {name: room for room, (_, lines) in _ROOMS.items() for name in lines}
"""Commands by name. The command `x-y` of a room is the function `main(arguments) -> int` of its file `_x_y.py`."""


def main(argv: list[str] | None = None) -> int:
    """Runs one command of the console script `metarule` and returns its exit code.

    The code is 0 for success, 2 for input that can't be used or output that can't be printed, 130 after Ctrl-C, and 1
    where the reader of its output has gone, as `head` does; any other error ends in a traceback and code 1. Only the
    module of the given command is imported, so that `metarule --help` is instant.
    """
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()  # What can't be printed is told here, not by the interpreter as it ends.
        return code
    except KeyboardInterrupt:
        print("metarule: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _drop_output()
        return 1
    except OSError as error:
        if error.filename is not None or error.errno not in _FULL:
            raise
        _drop_output()
        return _refuse(f"Can't print ({error.strerror}): free space there or print to another place.")


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What the system says of output that it can't take."""


def program() -> NoReturn:
    """Runs `main` as a process of its own and ends it: the console script."""
    code = main()
    if code == 130:  # Threads that compile programs can't be interrupted: the process doesn't wait for them.
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def _run(argv: list[str]) -> int:
    name, *arguments = argv or ["--help"]
    if name in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if name in ("-V", "--version"):
        print(f"metarule {_version()}")
        return 0
    if name not in _COMMANDS and ":" not in name:
        return _refuse(f"There is no command {name!r}; the commands are {', '.join(_COMMANDS)}, and MODULE:FUNCTION.")
    start = importlib.import_module("._start", __package__)
    start.print_anywhere()
    start.silence()
    start.say_warnings_plainly()
    start.collect_seldom()
    try:
        return _function(name)(arguments)
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
    return importlib.import_module(f".commands.{_COMMANDS[name]}._{name.replace('-', '_')}", __package__).main


def _overview() -> str:
    width = max(map(len, _COMMANDS))
    parts = ["usage: metarule COMMAND [OPTIONS]", "Meta-learn update rules for unsupervised representation learning."]
    for heading, lines in _ROOMS.values():
        parts.append("\n".join([f"{heading}:", *(f"  {name:<{width}}  {line}" for name, line in lines.items())]))
    return "\n\n".join([*parts, "`metarule COMMAND --help` explains a command; `--version` prints it."])


def _version() -> str:
    return importlib.import_module("importlib.metadata").version("metarule")


def _refuse(sentence: str) -> int:
    print(f"metarule: {sentence}", file=sys.stderr)
    return 2


def _drop_output() -> None:
    """Sends what is still to be printed nowhere, so that the interpreter doesn't fail on it again as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    program()
