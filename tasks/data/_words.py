import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from ...errors import BadInput
from ._data_set import DataSet
from ._from_arrays import from_arrays
from ._split import stratified_split


_Texts = tuple[list[str], np.ndarray]


def from_texts(name: str, train: _Texts, test: _Texts | None = None) -> DataSet:
    """Makes a data set of bags of words from splits, each a pair of texts and labels.

    Words are columns, standardised as those of a table: a rare word then weighs more, as in TF-IDF. Without a test
    split a fifth of each class is held out by a fixed seed. Raises `BadInput` for texts without words.
    """
    if test is None:
        labels = np.unique(train[1], return_inverse=True)[1].astype(np.int64)
        rest, held_out = stratified_split(labels, fraction=0.2, seed=0)
        test = ([train[0][index] for index in held_out], train[1][held_out])
        train = ([train[0][index] for index in rest], train[1][rest])
    train_x, test_x = bag_of_words(name, train[0], test[0])
    return dataclasses.replace(from_arrays(name, (train_x, train[1]), (test_x, test[1])), kind="text")


def bag_of_words(
    name: str, train: Sequence[str], test: Sequence[str]
) -> tuple[Float32[np.ndarray, "train word"], Float32[np.ndarray, "test word"]]:
    """Returns, for each text, which of the 1,000 most frequent words of the train texts occur in it, as 1 or 0.

    Words are split by scikit-learn's `CountVectorizer`, fitted on the train texts without labels. Raises `BadInput` for
    texts without words.
    """
    # Presence serves better than counts or their logarithms with few labels: 59.0% against 55.7% and 58.1%, each within
    # 0.6 (IMDB, 10 labels per class, 40 draws, logistic regression).
    from sklearn.feature_extraction.text import CountVectorizer  # Takes a second to import.

    # Not `binary`: it would choose the vocabulary by the number of texts instead of the number of occurrences.
    vectorizer = CountVectorizer(max_features=1000)
    try:
        train_counts = vectorizer.fit_transform(train)
    except ValueError as error:
        raise BadInput(f"{name}: no words were found in the train texts; is each a string of words?") from error
    test_counts = vectorizer.transform(test) if len(test) else train_counts[:0]
    return _presence(train_counts), _presence(test_counts)


def _presence(counts) -> Float32[np.ndarray, "text word"]:
    return np.minimum(counts.toarray(), 1).astype(np.float32)
