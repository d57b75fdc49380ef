import hashlib
import json
from importlib.metadata import version
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree

from ..caches._code import code_digest
from ..records._description import flat
from ..records._fingerprint import full_fingerprint
from ..records._leaves import named_leaves, numbers


def of_program(configuration: dict[str, Any], processes: int) -> dict[str, Any]:
    """Returns what must be equal on all processes of a run before they start: settings, versions and code, by name."""
    versions = {f"the version of {name}": version(name) for name in ("metarule", "jax", "jaxlib")}
    settings = {f"the setting {name}": value for name, value in flat(configuration).items()}
    precision = {
        "double precision (JAX_ENABLE_X64)": jax.config.values["jax_enable_x64"],
        "the precision of products (JAX_DEFAULT_MATMUL_PRECISION)": jax.config.values["jax_default_matmul_precision"],
    }
    return {"the number of processes": processes, **versions, "the code": code_digest(), **precision, **settings}


def of_data(data: PyTree) -> dict[str, Any]:
    """Returns a digest of the loaded arrays, by name: it must be equal on all processes of a run."""
    leaves = {name: numbers(leaf) for name, leaf in named_leaves(eqx.filter(data, eqx.is_array)).items()}
    return {"the data": _short(json.dumps({name: full_fingerprint(leaf) for name, leaf in leaves.items()}))}


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
