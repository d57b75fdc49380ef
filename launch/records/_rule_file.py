import difflib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import PyTree

from ...errors import BadInput
from ._files import parsed, write_atomically
from ._hub import from_hub, PREFIX
from ._leaves import difference, digest, named_leaves, numbers, signature, with_leaves


_FORMAT = "metarule 1"
_SHIPPED = Path(__file__).parents[1] / "pretrained"
_DEFAULT = "universal"
_Rule = TypeVar("_Rule", bound=PyTree)


def save_rule(path: str | Path, rule: PyTree, configuration: dict[str, Any], record: dict[str, Any]) -> None:
    """Writes a rule as a safetensors file: its arrays, with its configuration and record as metadata. It holds no code.

    `configuration` is what a loader needs to build a rule of this shape; `record` tells people where the rule comes
    from. Both must be JSON. Raises `BadInput` where the file can't be written; an earlier file there then stays whole.
    """
    leaves = {name: np.asarray(numbers(leaf)) for name, leaf in named_leaves(rule).items()}
    metadata = {"configuration": json.dumps(configuration), "record": json.dumps(record)}
    metadata |= {"format": _FORMAT, "digest": _digest(leaves, metadata)}
    write_atomically(Path(path), safetensors.numpy.save(leaves, metadata))


def read_header(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns a rule file's configuration and record without reading its arrays.

    Raises `BadInput` if the file is not a rule file.
    """
    metadata, _ = _read(Path(path), arrays=False)
    return _object(metadata, "configuration", path), _object(metadata, "record", path)


def load_rule(path: str | Path, build: Callable[[dict[str, Any]], _Rule]) -> _Rule:
    """Reads a rule: `build` makes one from the file's configuration, and the file's arrays replace its arrays.

    No code from the file is ever run. Raises `BadInput` if the file is damaged or not a rule file, or if its arrays
    don't have the names, shapes and types of the built rule's; the message names the first that differs.
    """
    metadata, leaves = _read(Path(path), arrays=True)
    configuration = _object(metadata, "configuration", path)
    # Shapes suffice: the built rule's own arrays are never computed.
    return _fill(Path(path), eqx.filter_eval_shape(lambda: build(configuration)), leaves)


def load_rule_like(path: str | Path, like: _Rule) -> _Rule:
    """Reads a rule with the structure of a given one; for rules that are not part of this package.

    Raises `BadInput` as `load_rule` does.
    """
    _, leaves = _read(Path(path), arrays=True)
    return _fill(Path(path), like, leaves)


def shipped() -> dict[str, Path]:
    """Returns the rule files that come with the package, by name.

    `default` is `universal`. A model card, NAME.md, lies beside each file.
    """
    files = {path.stem: path for path in sorted(_SHIPPED.glob("*.safetensors"))}
    return {"default": files[_DEFAULT], **files}


def locate_rule(rule: str | Path) -> Path:
    """Returns the path of a rule file, given that path, the folder of a run, the name of a shipped rule, or that of one
    on the Hugging Face Hub, `hf:OWNER/NAME`, which is fetched.

    Raises `BadInput` if there is no such rule.
    """
    if str(rule).startswith(PREFIX):
        return from_hub(str(rule))
    path, named = Path(rule), shipped()
    if path.is_file():
        return path
    inside = path / "rule.safetensors"
    if inside.is_file():
        return inside
    if path.is_dir():
        raise BadInput(f"The folder {path} holds no rule.safetensors: finish its training with --resume first.")
    if str(rule) in named:
        return named[str(rule)]
    names, near = ", ".join([*named, "hf:OWNER/NAME"]), difflib.get_close_matches(str(rule), named, n=1)
    if near:
        raise BadInput(f"There is no rule {rule}; did you mean {near[0]}? The shipped ones are {names}.")
    raise BadInput(f"There is no rule at {path}: give a rule file, the folder of a finished run, or one of {names}.")


def _fill(path: Path, like: _Rule, leaves: dict[str, np.ndarray]) -> _Rule:
    own = {name: numbers(leaf) for name, leaf in named_leaves(like).items()}
    # Where JAX computes in double precision, so does a rule of a file in single precision: nothing is lost.
    leaves = {
        name: leaf.astype(own[name].dtype) if name in own and np.can_cast(leaf.dtype, own[name].dtype) else leaf
        for name, leaf in leaves.items()
    }
    expected = {name: signature(leaf) for name, leaf in own.items()}
    found = {name: signature(leaf) for name, leaf in leaves.items()}
    differs = difference(expected, found)
    if differs is not None:
        raise BadInput(f"The rule file {path} is of another architecture: {differs}.")
    return with_leaves(like, {name: jnp.asarray(leaf) for name, leaf in leaves.items()})


def _read(path: Path, arrays: bool) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    if not path.is_file():
        raise BadInput(f"There is no rule file {path}: give the path of a file that `metarule train` wrote.")
    try:
        with safetensors.safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            leaves = {name: file.get_tensor(name) for name in file.keys()} if arrays else {}
    except Exception as error:  # Which exception a damaged file raises depends on where the damage is.
        raise BadInput(
            f"{path} is damaged or not a rule file: give a whole file that `metarule train` wrote."
        ) from error
    if metadata.get("format") != _FORMAT:
        raise BadInput(
            f"{path} is not a rule file of this version: its format is {metadata.get('format')!r}, not {_FORMAT!r}."
        )
    if not {"configuration", "record"} <= metadata.keys():
        raise BadInput(f"{path} is damaged, it lacks a configuration or a record: fetch it again.")
    if arrays and metadata.get("digest") != _digest(leaves, metadata):
        raise BadInput(f"{path} is damaged, its numbers are not those that were saved: fetch it again.")
    return metadata, leaves


def _object(metadata: dict[str, str], name: str, path: str | Path) -> dict[str, Any]:
    try:
        return parsed(metadata[name], dict)
    except ValueError as error:
        raise BadInput(f"{path} is no rule file that can be used, its {name} can't be read ({error}).") from error


def _digest(leaves: dict[str, np.ndarray], metadata: dict[str, str]) -> str:
    total = hashlib.sha256((metadata["configuration"] + metadata["record"]).encode())
    for name in sorted(leaves):
        total.update(f"{name} {digest(leaves[name])}".encode())
    return total.hexdigest()
