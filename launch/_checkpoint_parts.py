import json
from pathlib import Path
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jaxtyping import PyTree

from ..tasks import BadInput
from ._checkpoints import at_hand
from ._fingerprint import whole
from ._leaves import named_leaves, with_leaves


_Tree = TypeVar("_Tree", bound=PyTree)


def read_part(folder: Path, step: int, name: str, like: _Tree) -> _Tree:
    """A part of a checkpoint, such as `meta.average`, in a tree of its structure: the rest need not be known.

    Raises `BadInput` where the checkpoint is damaged, or that part is of another structure.
    """
    damaged = BadInput(f"The checkpoint of step {step} in {folder} is damaged or of another rule: leave it out.")
    try:
        manifest = json.loads((folder / str(step) / "manifest" / "metadata").read_text())
        shapes = {each: _shape(text) for each, text in manifest["fields"].items()}
        with ocp.StandardCheckpointer() as checkpointer:
            wanted = {each: at_hand(shape) for each, shape in shapes.items() if shape.size}
            leaves = checkpointer.restore((folder / str(step) / "state").absolute(), wanted)
    except Exception as error:  # A damaged file ends in whatever its reader stumbles over.
        raise damaged from error
    part = {}
    for each, leaf in named_leaves(like).items():
        found = leaves.get(f"{name}.{each}")
        if found is None or found.shape != leaf.shape or whole(found) != manifest["digests"][f"{name}.{each}"]:
            raise damaged
        part[each] = jnp.asarray(np.asarray(found))
    return with_leaves(like, part)


def _shape(signature: str) -> jax.ShapeDtypeStruct:
    kind, _, sizes = signature.removesuffix("]").partition("[")
    return jax.ShapeDtypeStruct(tuple(int(size) for size in sizes.split(",") if size), jnp.dtype(kind))
