import os
import platform
import re
import textwrap
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import jax
import rich.console
import tyro
from rich.markdown import Markdown

from ...figures._words import settings
from ...options._parse import parse
from ...records._rule_file import locate_rule, read_header, shipped
from ...records._tables import print_columns
from ..use._data import list_data


_PACKAGES = ("metarule", "jax", "jaxlib", "equinox", "optax", "evosax", "orbax-checkpoint", "numpy", "scikit-learn")


def main(arguments: list[str]) -> int:
    """Runs `metarule info` and returns its exit code."""
    return parse(info, arguments, "info")


_Rule = Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="RULE")]


def info(rule: _Rule = None, /, data_dir: Path | None = None) -> int:
    """Shows versions, devices and available data sets or, given a rule, its configuration and record.

    Args:
        rule: a rule file, the folder of a run, or the name of a shipped rule.
        data_dir: folder with data sets; by default the environment variable METARULE_DATA.
    """
    console = rich.console.Console()
    if rule is not None:
        path = locate_rule(rule)
        configuration, record = read_header(path)
        _say(console, f"{path}: a rule file")
        _list(console, "configuration", settings(configuration))
        _list(console, "record", settings(record))
        card = path.with_suffix(".md")
        if path in shipped().values() and card.is_file():
            _page(console, card.read_text())
        return 0
    devices = [f"{device.platform}:{device.id} ({device.device_kind})" for device in jax.devices()]
    _list(console, "versions", {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES})
    _list(console, "machine", {"devices": ", ".join(devices), "cores": str(_cores())})
    list_data(console, data_dir)
    return 0


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if "sched_getaffinity" in dir(os) else os.cpu_count() or 1


def _list(console: rich.console.Console, title: str, values: dict[str, str]) -> None:
    """Prints values under a title, each after its name; what is longer than a line goes on below it, indented."""
    _say(console, f"\n{title}")
    width = max(console.width, 30) if console.is_terminal else 10_000
    for name, value in values.items():
        text = textwrap.wrap(
            f"{name}: {value}", width, initial_indent="  ", subsequent_indent="    ", break_long_words=False
        )
        _say(console, "\n".join(text))


def _page(console: rich.console.Console, text: str) -> None:
    """Prints Markdown: laid out on a terminal, as it is elsewhere."""
    if not console.is_terminal:
        return _say(console, text)
    # Tables apart: those of Markdown squeeze their cells, ours go on below where a terminal is narrow.
    for part in re.split(r"((?:^\|.*\n)+)", re.sub(r"<!--.*?-->\n?", "", text), flags=re.M):
        if not part.startswith("|"):
            console.print(Markdown(part))
            continue
        head, _, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines())
        print_columns("", {name: cells for name, *cells in zip(head, *lines)}, console=console)


def _say(console: rich.console.Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
