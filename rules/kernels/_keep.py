from collections.abc import Callable
from typing import Any, TypeVar

import jax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import PyTree


_Tree = TypeVar("_Tree", bound=PyTree)

_KEPT = "kept"


def keep(tree: _Tree) -> _Tree:
    """Marks arrays of a step that backpropagation keeps where it computes the rest of the step again: such as data,
    which take longer to draw than to hold, and statistics, which are few numbers of many."""
    return jax.tree.map(lambda x: checkpoint_name(x, _KEPT), tree)


def recomputed(step: Callable[..., Any]) -> Callable[..., Any]:
    """A step of a scan of which backpropagation holds only what goes in and what `keep` has marked."""
    policy = jax.checkpoint_policies.save_only_these_names(_KEPT)
    return jax.checkpoint(step, prevent_cse=False, policy=policy)
