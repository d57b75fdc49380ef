import functools
import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree

from ._fingerprint import whole
from ._leaves import named_leaves, numbers
from ._run_folder import flat
from ._start import BEGUN


_PACKAGE = Path(__file__).parents[1]
_ROOMS = ("models", "tasks", "rules", "meta", "launch")


def of_program(configuration: dict[str, Any], processes: int) -> dict[str, Any]:
    """What all processes of a run must have alike before they compute: facts by their names."""
    versions = {f"the version of {name}": version(name) for name in ("metarule", "jax", "jaxlib")}
    settings = {f"the setting {name}": value for name, value in flat(configuration).items()}
    precision = {
        "double precision (JAX_ENABLE_X64)": jax.config.values["jax_enable_x64"],
        "the precision of products (JAX_DEFAULT_MATMUL_PRECISION)": jax.config.values["jax_default_matmul_precision"],
    }
    return {"the number of processes": processes, **versions, "the code": code(), **precision, **settings}


def of_data(data: PyTree) -> dict[str, Any]:
    """The same for what was loaded."""
    leaves = {name: numbers(leaf) for name, leaf in named_leaves(eqx.filter(data, eqx.is_array)).items()}
    return {"the data": _short(json.dumps({name: whole(leaf) for name, leaf in leaves.items()}))}


@functools.cache
def code() -> str:
    """A digest of all that this package's files say."""
    found = hashlib.sha256()
    for file in _files():
        found.update(str(file.relative_to(_PACKAGE)).encode() + file.read_bytes())
    return found.hexdigest()[:12]


@functools.cache
def is_edited() -> bool:
    """Whether a file was written since this process began: then it may run something else than its files say."""
    return any(file.stat().st_mtime >= BEGUN for file in _files())


def _files() -> list[Path]:
    return [file for room in _ROOMS for file in sorted((_PACKAGE / room).rglob("*.py"))]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
