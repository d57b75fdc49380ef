"""What holds for every file and every class, whatever it is about."""

import ast
import importlib
import inspect
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import equinox as eqx
import metarule
import pytest


CHECKOUT = Path(__file__).parents[1]
PACKAGE = Path(metarule.__path__[0])
# Which floor a room is on: imports go to a lower floor, or stay in the room. Those on floor 0 are single files.
FLOORS = dict.fromkeys(("errors", "precision", "one_by_one", "sampling"), 0)
FLOORS |= {"models": 1, "tasks": 1, "rules": 2, "meta": 3, "testing": 4, "launch": 5}
ROOMS = tuple(room for room in FLOORS if (CHECKOUT / room).is_dir())
# The rooms within a room, bottom floor first: an inner room imports those before it, never those after it.
INNER = {
    "models": ("views",),
    "tasks": ("augmentation", "columns", "data", "made_up", "catalogue"),
    "rules": ("kernels", "networks", "terms", "hand_made", "encodings"),
    "meta": ("particles", "estimators"),
    "launch": (
        "hosts", "records", "caches", "options", "encoders", "features", "exports", "evaluation",
        "training", "inspection", "figures", "studies", "bench", "commands",
    ),
}  # fmt: skip
MOST_FILES, MOST_LINES = 16, 300
FILES = sorted(
    [*(CHECKOUT / f"{name}.py" for name in FLOORS if name not in ROOMS)]
    + [file for room in ROOMS for file in (CHECKOUT / room).rglob("*.py")]
)


def module_name(file):
    parts = file.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file): file for file in FILES}


def imports(file, everywhere=True):
    """The modules of this package that a file imports, by their names below the package."""
    tree = ast.parse(file.read_text())
    here = file.relative_to(CHECKOUT).parent.parts
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            assert not any(alias.name.split(".")[0] == "metarule" for alias in node.names), f"{file}: import relatively"
        if isinstance(node, ast.ImportFrom):
            assert node.level or (node.module or "").split(".")[0] != "metarule", f"{file}: import relatively"
            if node.level:
                base = ".".join([*here[: len(here) + 1 - node.level], *filter(None, [node.module])])
                inner = {f"{base}.{alias.name}".strip(".") for alias in node.names}
                found |= {name if name in MODULES else base for name in inner}
    return found


@pytest.fixture(scope="module")
def modules():
    return {name: importlib.import_module(f"metarule.{name}") for name in MODULES}


@pytest.fixture(scope="module")
def classes(modules):
    found = {}
    for name, module in modules.items():
        for each in vars(module).values():
            if inspect.isclass(each) and each.__module__ == f"metarule.{name}":
                found[f"{name}.{each.__qualname__}"] = each
    return found


def test_every_room_is_packaged():
    setuptools = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]
    rooms = {f"metarule.{name}" for name, file in MODULES.items() if file.name == "__init__.py"}
    folders_of_files = set(setuptools["package-data"]) - {"metarule"}
    assert set(setuptools["packages"]) == rooms | {"metarule"} | folders_of_files


def test_what_is_tested_is_this_checkout():
    installed = {file.relative_to(PACKAGE) for room in ROOMS for file in (PACKAGE / room).rglob("*.py")}
    installed |= {file.relative_to(PACKAGE) for file in PACKAGE.glob("*.py")} - {Path("__init__.py")}
    here = {file.relative_to(CHECKOUT) for file in FILES}
    same = installed == here and all((PACKAGE / f).read_bytes() == (CHECKOUT / f).read_bytes() for f in here)
    assert same, "the installed metarule is not this checkout: pip install it again"


def test_every_module_has_one_identity(modules):
    for name, module in modules.items():
        assert Path(module.__file__) == PACKAGE / MODULES[name].relative_to(CHECKOUT)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and any(Path(file).is_relative_to(root / room) for root in (CHECKOUT, PACKAGE) for room in ROOMS):
            assert name.startswith("metarule."), f"{file} is also imported as {name}"


@pytest.mark.parametrize("name", MODULES)
def test_imports_run_downwards(name):
    room = name.split(".")[0]
    for target in imports(MODULES[name]):
        other, *inside = target.split(".")
        assert other in FLOORS, f"{name} imports {target!r}, which is no room"
        assert other == room or FLOORS[other] < FLOORS[room], f"{name} imports {target}, which is not below"
        private = any(part.startswith("_") for part in inside)
        assert other == room or not private, f"{name} reaches into another room for {target}"


@pytest.mark.parametrize("name", MODULES)
def test_inner_rooms_stand_on_each_other(name):
    room, *inside = name.split(".")
    floors = INNER.get(room, ())
    if not inside or inside[0] not in floors:
        return
    for target in imports(MODULES[name]):
        other, *parts = target.split(".")
        if other == room and parts and parts[0] in floors:
            assert floors.index(parts[0]) <= floors.index(inside[0]), f"{name} imports {target}, which is above"


def test_every_inner_room_is_known():
    found = {(name.split(".")[0], name.split(".")[1]) for name, file in MODULES.items()
             if file.name == "__init__.py" and "." in name}  # fmt: skip
    assert found == {(room, inner) for room, floors in INNER.items() for inner in floors}


def test_the_door_of_launch_is_narrow():
    assert {file.name for file in (CHECKOUT / "launch").glob("*.py")} == {"__init__.py", "__main__.py", "_start.py"}


@pytest.mark.parametrize("folder", sorted({file.parent for file in FILES}), ids=lambda folder: folder.name)
def test_no_room_is_crowded(folder):
    assert len(list(folder.glob("*.py"))) <= MOST_FILES


def test_imports_make_no_circle():
    graph = {name: imports(file, everywhere=False) & MODULES.keys() for name, file in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_a_room_only_lists_what_is_in_it():
    for name, file in MODULES.items():
        if file.name == "__init__.py":
            docstring, *rest = ast.parse(file.read_text()).body
            assert isinstance(docstring, ast.Expr), f"{name} begins with a sentence"
            sentence = ast.literal_eval(docstring.value).strip()
            assert sentence.split("\n")[0].endswith((".", "?")), f"{name}: the sentence says which question it answers"
            assert all(isinstance(node, ast.ImportFrom) for node in rest), name


@pytest.mark.parametrize("file", [*FILES, *sorted((CHECKOUT / "tests").glob("*.py"))], ids=lambda file: file.name)
def test_no_file_is_long(file):
    assert len(file.read_text().splitlines()) <= MOST_LINES


def is_abstract(each):
    return inspect.isabstract(each) or each.__name__.startswith("Abstract")


def is_concrete_method(member):
    routine = callable(member) or isinstance(member, property | staticmethod | classmethod)
    return routine and not getattr(member, "__isabstractmethod__", False)


def ours(bases):
    return [base for base in bases if base.__module__.split(".")[0] == "metarule"]


def test_every_class_is_abstract_or_final(classes):
    for name, each in classes.items():
        for base in ours(each.__mro__[1:]):
            assert is_abstract(base), f"{name} inherits from {base.__name__}, which is concrete"
        if issubclass(each, eqx.Module) and ours(each.__mro__[1:]) and not is_abstract(each):
            assert getattr(each, "__final__", False), f"{name} lacks @final"


def test_nothing_concrete_is_overridden(classes):
    for name, each in classes.items():
        for member in vars(each):
            if member.startswith("__") and member != "__call__":
                continue
            for base in ours(each.__mro__[1:]):
                overridden = is_concrete_method(vars(base).get(member))
                assert not overridden, f"{name}.{member} overrides {base.__name__}.{member}, which is concrete"


def test_importing_the_package_is_instant():
    program = "import sys, metarule, metarule.launch, metarule.launch.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"jax", "numpy", "equinox", "tyro", "rich", "tensorflow"} & set(loaded)
    assert [name for name in loaded if name.startswith("metarule")] == [
        "metarule", "metarule.launch", "metarule.launch.__main__"
    ]  # fmt: skip


def test_nothing_imports_tensorflow_or_a_banned_library_at_the_top():
    for name, file in MODULES.items():
        top = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in top if isinstance(node, ast.ImportFrom) and not node.level}
        banned = {"tensorflow", "tensorflow_datasets", "gin", "hydra", "haiku", "chex"}
        assert not banned & {each.split(".")[0] for each in names}, name
        assert "__future__" not in names, f"{name}: the tests check annotations, so they must be what they say"
