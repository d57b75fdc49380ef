import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import jax
import rich.console
import rich.table
import tyro

from ..records._rule_file import locate_rule, read_header, shipped
from ._data import data_table


_PACKAGES = ("metarule", "jax", "jaxlib", "equinox", "optax", "evosax", "orbax-checkpoint", "numpy", "scikit-learn")


def main(arguments: list[str]) -> int:
    """Runs `metarule info` and returns its exit code."""
    return tyro.cli(info, args=arguments, prog="metarule info")


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
        console.print(f"{path}: a rule file", markup=False, highlight=False, soft_wrap=True)
        for title, values in (("configuration", configuration), ("record", record)):
            console.print(_table(title, {name: json.dumps(value) for name, value in values.items()}))
        card = path.with_suffix(".md")
        if path in shipped().values() and card.is_file():
            console.print(card.read_text(), markup=False, highlight=False)
        return 0
    versions = {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}
    devices = [f"{device.platform}:{device.id} ({device.device_kind})" for device in jax.devices()]
    console.print(_table("versions", versions))
    console.print(_table("machine", {"devices": ", ".join(devices), "cores": str(_cores())}))
    console.print(data_table(data_dir))
    return 0


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if "sched_getaffinity" in dir(os) else os.cpu_count() or 1


def _table(title: str, values: dict[str, str]) -> rich.table.Table:
    table = rich.table.Table("", "", title=title, title_justify="left", show_header=False)
    for name, value in values.items():
        table.add_row(name, value)
    return table
