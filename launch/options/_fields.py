import dataclasses
import json
import sys
import types
import typing
from typing import Annotated, Any, TypeVar

import tyro

from ...errors import BadInput


_Object = TypeVar("_Object")

NO_OPTION = {"option": False}
"""Metadata of a dataclass's field that a command line is not to set."""

ADJUSTED = {"adjusted": True}
"""Metadata of a dataclass's field that lists what is left out, and that a command line changes by `without` and `with`
instead of setting it: naming one thing must not bring back the others."""

_PLAIN = (bool, int, float, str)


def fields_as_options(value: Any, adjust: bool = False) -> Any:
    """A dataclass that holds what a command line can set of an object: a value of a class made for that purpose.

    With `adjust` a field that is marked by `ADJUSTED` becomes two options, for what to add to it and to take from it.

    Numbers, words, truth values and tuples of them are fields of the same names; dataclasses and Equinox modules within
    are such values again. Arrays, functions and fields that are marked
    by `NO_OPTION` or have no initial value are left out.
    """
    hints = typing.get_type_hints(type(value))
    fields = []
    for field in dataclasses.fields(value):
        held = getattr(value, field.name)
        if not field.init or field.metadata.get("option") is False:
            continue
        if adjust and field.metadata.get("adjusted"):
            fields += [_adjusting(field.name, *each, held) for each in _ADJUSTMENTS]
        elif _is_plain(hints[field.name]):
            fields.append((field.name, hints[field.name], dataclasses.field(default=held)))
        elif isinstance(held, _PLAIN):
            fields.append((field.name, type(held), dataclasses.field(default=held)))
        elif dataclasses.is_dataclass(held) and dataclasses.fields(inner := fields_as_options(held, adjust)):
            fields.append((field.name, type(inner), dataclasses.field(default=inner)))
    # Under the original's name, because that is where the parser looks up what is written below each field.
    source = {name: getattr(type(value), name) for name in ("__module__", "__qualname__", "__doc__")}
    return dataclasses.make_dataclass(type(value).__name__, fields, namespace=source, frozen=True)()


def with_options(value: _Object, options: Any) -> _Object:
    """The object with the values of `options`, which `fields_as_options` made of it and a command line has changed."""
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(options):
        new = getattr(options, field.name)
        if (target := field.metadata.get("adjusts")) is not None:
            change = _more if field.name == _ADJUSTMENTS[0][0] else _fewer
            changed[target] = change(changed.get(target, getattr(value, target)), new)
        else:
            within = dataclasses.is_dataclass(new)
            changed[field.name] = with_options(getattr(value, field.name), new) if within else new
    return dataclasses.replace(value, **changed)  # type: ignore[type-var]


_ADJUSTMENTS = (
    ("without", "without", "Ingredients to leave out, besides {held}."),
    ("with_", "with", "Ingredients to put back, of those that are left out: {held}."),
)


def _adjusting(target: str, field: str, option: str, sentence: str, held: tuple[str, ...]) -> tuple[str, Any, Any]:
    """The name, type and default of an option that adds to a field that lists names, or takes from it."""
    text = sentence.format(held=", ".join(held) or "none")
    hint = Annotated[tuple[str, ...], tyro.conf.arg(name=option, help=text, help_behavior_hint="")]
    return field, hint, dataclasses.field(default=(), metadata={"adjusts": target})


def _more(held: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*held, *names)))


def _fewer(held: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in held:
            left = f"it is without {', '.join(held)}" if held else "nothing is left out of it"
            raise BadInput(f"The rule can't be made with {name!r}, which it is not without: {left}.")
    return tuple(name for name in held if name not in names)


def fitting(value: Any, hint: Any, name: str) -> Any:
    """A value from JSON as one of the type `hint`, such as `int` or `tuple[str, ...]`.

    Raises `BadInput` that names the field where the value is of another type, or a number that is not finite or too
    large to be meant.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(fitting(each, arguments[0], name) for each in value)
    if origin in (typing.Union, types.UnionType):
        wanted = [each for each in arguments if _fits(value, each) or typing.get_origin(each) is not None]
        if wanted:
            return fitting(value, wanted[0], name)
    elif _fits(value, hint):
        return float(value) if hint is float else value
    expected = _WORDS.get(hint, "a value of another kind")
    raise BadInput(f"A rule file's field {name!r} can't be {json.dumps(value)[:40]}: {expected} is expected.")


_WORDS = {int: "a whole number of at most ten digits", float: "a finite number", str: "a text", bool: "true or false"}


def _fits(value: Any, hint: Any) -> bool:
    if hint is float:
        return type(value) in (int, float) and abs(value) <= sys.float_info.max
    if hint is int:
        return type(value) is int and abs(value) < 10**10
    if typing.get_origin(hint) is typing.Literal:
        return value in typing.get_args(hint)
    return type(value) is hint


def _is_plain(hint: Any) -> bool:
    """Whether an annotation is made of what a command line can spell."""
    if hint in _PLAIN or hint is types.NoneType or hint is Ellipsis or typing.get_origin(hint) is typing.Literal:
        return True
    composed = typing.get_origin(hint) in (tuple, typing.Union, types.UnionType)
    return composed and all(map(_is_plain, typing.get_args(hint)))


def with_description(value: _Object, described: dict[str, Any]) -> _Object:
    """The object with the plain fields of a description in JSON, such as a rule file holds of a rule's own class."""
    return with_options(value, _filled(fields_as_options(value), described))


def _filled(options: Any, described: dict[str, Any]) -> Any:
    changed = {}
    for field in dataclasses.fields(options):
        if field.name not in described:
            continue
        held, new = getattr(options, field.name), described[field.name]
        if not dataclasses.is_dataclass(held):
            changed[field.name] = fitting(new, field.type, field.name)
        elif isinstance(new, dict):
            changed[field.name] = _filled(held, new)
        else:
            raise BadInput(f"A rule file's field {field.name!r} can't be {json.dumps(new)[:40]}: it has parts.")
    return dataclasses.replace(options, **changed)
