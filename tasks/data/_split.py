import numpy as np
from jaxtyping import Int64

from ...errors import BadInput
from ._data_set import DataSet


def stratified_split(
    labels: Int64[np.ndarray, " example"], fraction: float, seed: int
) -> tuple[Int64[np.ndarray, " kept"], Int64[np.ndarray, " held_out"]]:
    """Indices of a random split that sets aside the same fraction of each class; the same seed, the same split."""
    generator = np.random.default_rng(seed)
    kept, held_out = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        cut = round(fraction * len(members))
        held_out.append(members[:cut])
        kept.append(members[cut:])
    return np.sort(np.concatenate(kept)), np.sort(np.concatenate(held_out))


def few_shot_indices(
    data_set: DataSet, seed: int, per_class: int, queries: int
) -> tuple[Int64[np.ndarray, " support"], Int64[np.ndarray, " query"]]:
    """Draws a few-shot problem: `per_class` train examples of each class, and test examples to score them on.

    Support indices point into the train split, ordered by class; query indices point into the test split (all of it
    where it holds no more than `queries`). Raises `BadInput` where a class has too few examples or the test split none.
    """
    data_set.require(per_class)
    if not len(data_set.test_y):
        raise BadInput(f"{data_set.name} has no test examples to score on.")
    generator = np.random.default_rng(seed)
    members = [np.flatnonzero(data_set.train_y == label) for label in range(data_set.classes)]
    support = np.concatenate([generator.choice(m, per_class, replace=False) for m in members])
    query = generator.permutation(len(data_set.test_y))[:queries]
    return support, query
