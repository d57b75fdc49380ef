import numpy as np
from jaxtyping import Int64

from ...errors import BadInput
from ._data_set import DataSet


def stratified_split(
    labels: Int64[np.ndarray, " example"], fraction: float, seed: int
) -> tuple[Int64[np.ndarray, " rest"], Int64[np.ndarray, " held_out"]]:
    """Returns the sorted indices of a random split that holds out the same fraction of each class."""
    generator = np.random.default_rng(seed)
    rest, held_out = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        cut = round(fraction * len(members))
        held_out.append(members[:cut])
        rest.append(members[cut:])
    return np.sort(np.concatenate(rest)), np.sort(np.concatenate(held_out))


def few_shot_indices(
    data_set: DataSet, seed: int, per_class: int, queries: int
) -> tuple[Int64[np.ndarray, " support"], Int64[np.ndarray, " query"]]:
    """Draws a few-shot problem and returns its support and query indices.

    The support is `per_class` examples of each class of the train split, ordered by class. The query is `queries`
    examples of the test split, or all of it if it has fewer; of data that are split anew, none of the support. Raises
    `BadInput` where a class has too few examples or no test example is left.
    """
    data_set.require(per_class)
    if len(data_set.test_y) <= data_set.split_anew * per_class * data_set.classes:
        raise BadInput(f"{data_set.name} has no test examples to score on.")
    generator = np.random.default_rng(seed)
    members = [np.flatnonzero(data_set.train_y == label) for label in range(data_set.classes)]
    support = np.concatenate([generator.choice(m, per_class, replace=False) for m in members])
    query = generator.permutation(len(data_set.test_y))
    if data_set.split_anew:
        query = query[~np.isin(query, support)]
    return support, query[:queries]
