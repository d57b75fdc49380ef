import contextlib
import dataclasses
import io
import os
import shutil
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Iterator
from typing import TypeVar

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    UnsupportedTypeAnnotationError,
)

from ._help import rejoined, without_empty_defaults


_Result = TypeVar("_Result")

_NARROW = 70
"""Columns below which an option's words stand below its name: beside it they would be broken."""


def parse(
    target: Callable[..., _Result], arguments: list[str], command: str, description: str | None = None
) -> _Result:
    """Reads a command line for a function, which is called, or for a dataclass, which is made: every command's parser.

    Help is laid out for the width of the terminal, with words whole, and no wider than can be read. It comes from the
    target's docstring, or begins with `description`. Ends the process by `SystemExit` after help, and with code 2 for a
    command line that can't be read.
    """
    read = lambda: tyro.cli(
        target,
        args=arguments,
        prog=f"metarule {command}",
        description=description,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.AvoidSubcommands),
        registry=_registry,
    )
    if not {"-h", "--help"} & set(arguments):
        return read()
    width = max(shutil.get_terminal_size().columns, _LEAST)
    shown = io.TextIOWrapper(io.BytesIO(), encoding=sys.stdout.encoding or "ascii", errors="replace")
    try:
        with _columns(min(width, _ONE_BOX) if width >= _NARROW else _ONE_BOX), contextlib.redirect_stdout(shown):
            return read()
    finally:
        shown.seek(0)
        lines = shown.read().splitlines()
        print("\n".join(_filled(lines, width) if width >= _NARROW else _narrow(lines, width)))


_ONE_BOX = 129
"""Columns at which help is widest and still one list, and no two beside each other."""

_LEAST = 30
"""Columns that help takes in any case."""

_registry = ConstructorRegistry()


@_registry.primitive_rule
def _optional(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | UnsupportedTypeAnnotationError | None:
    """How an option is read that may be left out: as if it were not, so that its help says INT and not {None}|INT."""
    kinds = typing.get_args(info.type) if info.type_origin in (typing.Union, types.UnionType) else ()
    given = [kind for kind in kinds if kind is not types.NoneType]
    if len(given) != 1 or len(kinds) != 2:
        return None
    spec = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(given[0], info.markers))
    if not isinstance(spec, PrimitiveConstructorSpec):
        return spec
    return dataclasses.replace(
        spec,
        is_instance=lambda value: value is None or spec.is_instance(value),
        str_from_instance=lambda value: ["none"] if value is None else spec.str_from_instance(value),
    )


@contextlib.contextmanager
def _columns(count: int) -> Iterator[None]:
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(count)
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def _filled(lines: list[str], width: int) -> list[str]:
    """Help with its paragraphs wrapped and one empty line at a time."""
    joined = rejoined([line for line, last in zip(lines, ["", *lines]) if line != last or line.strip("│| ")])
    return [part for line in joined for part in (_wrapped(line, width) if len(line) > width else [line])]


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def _narrow(lines: list[str], width: int) -> list[str]:
    """Help as lists: the name of an option, and below it what it does."""
    out: list[str] = []
    words: list[str] = []

    def end(indent: str = "    ") -> None:
        out.extend(_wrapped(without_empty_defaults(" ".join(words)), width, indent))
        words.clear()

    for line in lines:
        inside = line.strip("│| ") if line[:1] in ("│", "|") else line.strip()
        if not inside.strip("╰╯─-+"):
            end()
            out += [""] * (line == "" and out[-1:] != [""])
        elif line[:1] in ("╭", "+") or (line[:1] == " " and line[1:2].isalpha()):  # With or without boxes.
            end()
            out += [""] * (out[-1:] != [""]) + [inside.strip("╭╮─-+ ") + ":"]
        elif line[:1].isalpha():
            end()
            out += _wrapped(line, width)
        elif line[2:3].strip() and (line[2] in "-[" or out[-1:] == ["positional arguments:"]):
            end()
            name, _, rest = inside.partition("  ")
            out += _wrapped(name, width, "  ")
            words += rest.split()
        else:
            words += inside.split()
    end()
    return out
