import dataclasses
import types
import typing
from typing import Any, TypeVar


_Object = TypeVar("_Object")

NO_OPTION = {"option": False}
"""Metadata of a dataclass's field that a command line is not to set."""

_PLAIN = (bool, int, float, str)


def fields_as_options(value: Any) -> Any:
    """A dataclass that holds what a command line can set of an object: a value of a class made for that purpose.

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
        if _is_plain(hints[field.name]):
            fields.append((field.name, hints[field.name], dataclasses.field(default=held)))
        elif isinstance(held, _PLAIN):
            fields.append((field.name, type(held), dataclasses.field(default=held)))
        elif dataclasses.is_dataclass(held) and dataclasses.fields(inner := fields_as_options(held)):
            fields.append((field.name, type(inner), dataclasses.field(default=inner)))
    # Under the original's name, because that is where the parser looks up what is written below each field.
    source = {name: getattr(type(value), name) for name in ("__module__", "__qualname__", "__doc__")}
    return dataclasses.make_dataclass(type(value).__name__, fields, namespace=source, frozen=True)()


def with_options(value: _Object, options: Any) -> _Object:
    """The object with the values of `options`, which `fields_as_options` made of it and a command line has changed."""
    changed = {}
    for field in dataclasses.fields(options):
        held, new = getattr(value, field.name), getattr(options, field.name)
        changed[field.name] = with_options(held, new) if dataclasses.is_dataclass(new) else new
    return dataclasses.replace(value, **changed)  # type: ignore[type-var]


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
        if dataclasses.is_dataclass(held):
            changed[field.name] = _filled(held, new)
        else:  # JSON has no tuples.
            changed[field.name] = tuple(new) if isinstance(new, list) else new
    return dataclasses.replace(options, **changed)
