import difflib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeGuard, TypeVar

from ...errors import BadInput


_Value = TypeVar("_Value")


def choose(name: str, known: Mapping[str, _Value], kind: str, *forms: str) -> _Value:
    """The value of this name. Raises `BadInput` that lists the known names, and other forms that a name can have."""
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        meant = f"did you mean {near[0]}? The" if near else "the"
        raise BadInput(f"Unknown {kind} {name!r}; {meant} known ones are {', '.join([*known, *forms])}.")
    return known[name]


def own(text: str, kind: str, *bases: type) -> Any:
    """An object of the user's own class that `MODULE:CLASS` names, with the defaults of all fields.

    MODULE is a module that Python finds, in the current folder or among what is installed, or the path of a file. It is
    imported: its code runs. Raises `BadInput` if there is no such module or class, if the import fails, and if the
    class is abstract, has a field without a default, or inherits from none of `bases`; `kind` says in these sentences
    what the class is wanted for.
    """
    module, name = _named(text, kind)
    found = vars(module).get(name)
    wanted = " or ".join(base.__name__ for base in bases)
    if not isinstance(found, type):
        classes = [
            key for key, each in vars(module).items() if _fits(each, bases) and each.__module__ == module.__name__
        ]
        if found is not None:
            raise BadInput(f"{name} in {module.__name__} is no class; give one that inherits from {wanted}.")
        there = f"it has {', '.join(classes)}" if classes else f"define one there that inherits from {wanted}"
        raise BadInput(f"{module.__name__} has no class {name!r} to be {an(kind)}; {there}.")
    if not issubclass(found, bases):
        raise BadInput(f"{text} can't be {an(kind)}: let the class inherit from {wanted}.")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise BadInput(f"{text} can't be {an(kind)}: the class still has to define {missing}.")
    try:
        return found()
    except TypeError as error:
        raise BadInput(f"{text} can't be made without arguments ({error}): give every field a default.") from error


def own_function(text: str, kind: str) -> Callable[..., Any]:
    """The user's own function that `MODULE:FUNCTION` names. Raises `BadInput` if there is none."""
    module, name = _named(text, kind)
    found = vars(module).get(name)
    if not callable(found):
        raise BadInput(f"{module.__name__} has no function {name!r} to be {an(kind)}.")
    return found


def _named(text: str, kind: str) -> tuple[ModuleType, str]:
    """The module, imported, and the name in it. Raises `BadInput` where that can't be."""
    place, _, name = text.rpartition(":")
    if not place or not name.isidentifier():
        raise BadInput(
            f"{an(kind).capitalize()} of your own is written as MODULE:NAME, such as my_module:my_name; got {text!r}."
        )
    return _module(place, kind), name


def an(kind: str) -> str:
    """The kind with its article."""
    return kind if kind == "tasks" else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _fits(found: object, bases: tuple[type, ...]) -> TypeGuard[type]:
    return isinstance(found, type) and issubclass(found, bases) and not inspect.isabstract(found)


def _module(place: str, kind: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:  # A console script's own folder is on the path, the user's is not.
        sys.path.insert(0, here)
    path = Path(place)
    try:
        if path.suffix == ".py":
            return _file(path, kind)
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is None or not place.startswith(error.name):
            raise BadInput(f"{place} can't be imported: it needs {error.name}, which is not installed.") from error
        raise BadInput(
            f"There is no module {place!r} for the {kind}, neither in {here} nor among what is installed."
        ) from error
    except BadInput:
        raise
    except Exception as error:  # Whatever the user's module does as it is imported.
        reason = str(error).splitlines()[0] if str(error) else "no reason given"
        raise BadInput(f"{place} can't be imported ({type(error).__name__}: {reason}).") from error


def _file(path: Path, kind: str) -> ModuleType:
    """A module from a file, under the name of the file: once, so that its classes have one identity."""
    if not path.is_file():
        raise BadInput(f"There is no file {path} for the {kind}.")
    loaded = sys.modules.get(path.stem)
    if loaded is not None and Path(loaded.__file__ or "").resolve() == path.resolve():
        return loaded
    specification = importlib.util.spec_from_file_location(path.stem, path.resolve())
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    return module
