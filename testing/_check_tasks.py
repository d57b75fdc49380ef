from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray

from ..errors import BadInput
from ..tasks import AbstractTasks, Episode
from ._compare import close, finite, trace


_DRAWS = 128
_FAR = 0.25  # Standard deviations by which the columns' statistics may differ: four to five standard errors.


def check_tasks_form(tasks: AbstractTasks) -> None:
    """Raises `BadInput` unless batches and episodes have examples of `tasks.shape`, and episodes a target for each.

    Only shapes are traced and nothing is drawn, so that the check takes milliseconds.
    """
    name, shape, key = type(tasks).__name__, tasks.shape, jr.key(0)
    if not isinstance(shape, tuple) or not all(isinstance(size, int) for size in shape):
        raise BadInput(f"{name}.shape must be a tuple of whole numbers, such as (784,); it is {shape!r}.")
    task = trace(f"{name}.sample", tasks.sample, key)
    batch = trace(f"{name}.batch", tasks.batch, task, key)
    wanted = f"{name}.batch must return floats [batch, {', '.join(map(str, shape))}] of at least 2 examples"
    if not _is_float(batch) or batch.shape[1:] != shape or batch.shape[:1] < (2,):
        raise BadInput(f"{wanted}, as {name}.shape is {shape}; it returns {_kind(batch)}.")
    episode = trace(f"{name}.episode", tasks.episode, task, key)
    if not isinstance(episode, Episode):
        raise BadInput(f"{name}.episode must return a metarule.tasks.Episode; it returns {_kind(episode)}.")
    for part, x, y in (
        ("support", episode.support_x, episode.support_y),
        ("query", episode.query_x, episode.query_y),
    ):
        if not _is_float(x) or x.shape[1:] != shape:
            raise BadInput(f"{name}.episode must have a {part}_x of examples of shape {shape}; it is {_kind(x)}.")
        if not _is_float(y) or len(y.shape) != 2 or y.shape[0] != x.shape[0]:
            raise BadInput(
                f"{name}.episode must have a {part}_y of floats [{x.shape[0]}, target], one row for each example; "
                f"it is {_kind(y)}."
            )
    targets = episode.support_y.shape[1], episode.query_y.shape[1]
    if targets[0] != targets[1]:
        raise BadInput(
            f"{name}.episode must have the same columns in support_y and query_y; they have {targets[0]} and "
            f"{targets[1]}."
        )


def check_tasks(tasks: AbstractTasks, *, key: PRNGKeyArray | None = None) -> None:
    """Raises `AssertionError` unless tasks keep what their interface promises; `BadInput` where their form is wrong.

    All that is drawn depends on the key and on nothing else, with and without `vmap`, and is finite. A task's
    batches and episodes are of one distribution: their inputs have the same order and scale. The examples to score
    a readout on are not those that it is fitted on.
    """
    check_tasks_form(tasks)
    name = type(tasks).__name__
    task_key, draw_key = jr.split(jr.key(0) if key is None else key)
    task, keys = tasks.sample(task_key), jr.split(draw_key, _DRAWS)
    batches = _check_draws(f"{name}.batch", lambda key: tasks.batch(task, key), keys)
    episodes = _check_draws(f"{name}.episode", lambda key: tasks.episode(task, key), keys)
    _check_draws(f"{name}.sample", tasks.sample, keys)

    for part, x in (("support_x", episodes.support_x), ("query_x", episodes.query_x)):
        mean, deviation = _differences(batches, x)
        assert max(mean, deviation) < _FAR, (
            f"{name}.batch and {name}.episode must show a task's inputs in the same order and on the same scale: in "
            f"{part} the columns' means differ by {mean:.2f} standard deviations, the deviations by {deviation:.2f}."
        )
    shared = _share_of_common_rows(episodes.support_x, episodes.query_x)
    assert shared < 0.1, (
        f"{name}.episode must score on other examples than those to fit on: {shared:.0%} of the queries are in the "
        "support set."
    )


def _check_draws(name: str, draw: Callable[[PRNGKeyArray], Any], keys: Key[Array, " draw"]) -> Any:
    """Returns what is drawn by each key, after checks that the key alone decides what that is."""
    first, again = jax.jit(lambda key: (draw(key), draw(key)))(keys[0])
    many = jax.jit(jax.vmap(draw))(keys)
    assert finite((first, many)), f"{name} must return finite numbers."
    assert close(first, again), f"{name} must return the same for the same key: draw with jax.random alone."
    assert close(first, jax.tree.map(lambda leaf: leaf[0], many)), (
        f"{name} must return the same under jax.vmap as for one key."
    )
    varied = any((np.asarray(leaf) != np.asarray(leaf[:1])).any() for leaf in jax.tree.leaves(many))
    assert varied or not jax.tree.leaves(many), f"{name} must draw something else for another key."
    return many


def _differences(batches: Float[Array, "draw batch *shape"], x: Float[Array, "draw row *shape"]) -> tuple[float, float]:
    """How far the columns' means, and their deviations, are apart, in units of their root mean squared deviation."""
    first, second = (np.asarray(each, np.float64).reshape(-1, each[0, 0].size) for each in (batches, x))
    scale = np.sqrt(first.var(0).mean()) + 1e-12
    away = lambda ours, theirs: float(np.sqrt(((ours - theirs) ** 2).mean()) / scale)
    return away(first.mean(0), second.mean(0)), away(first.std(0), second.std(0))


def _share_of_common_rows(
    support: Float[Array, "draw support *shape"], query: Float[Array, "draw query *shape"]
) -> float:
    """The share of the query examples that are in their episode's support set as well."""
    pairs = [[np.asarray(x).reshape(len(x), -1) for x in pair] for pair in zip(support, query)]
    common = [(queries[:, None] == supports).all(-1).any(1) for supports, queries in pairs]
    return float(np.mean(common))


def _is_float(found: Any) -> bool:
    return isinstance(found, jax.ShapeDtypeStruct) and jnp.issubdtype(found.dtype, jnp.floating)


def _kind(found: Any) -> str:
    """A type and shape, or the name of the class of what is no array."""
    return f"{found.dtype}{list(found.shape)}" if isinstance(found, jax.ShapeDtypeStruct) else type(found).__name__
