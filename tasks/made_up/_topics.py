from typing import final

import equinox as eqx
import numpy as np
from jaxtyping import Float, Float32, Int64

from ..data._data_set import DataSet
from ..data._scaling import Scaling
from ..data._split import stratified_split


@final
class Vocabulary(eqx.Module):
    """Log-frequencies of words: in general, and what each subject and each class adds to them."""

    general: Float[np.ndarray, " word"]
    subjects: Float[np.ndarray, "subject word"]
    classes: Float[np.ndarray, "class word"]


def topics(words: int, classes: int, seed: int, held_out: float = 0.0) -> DataSet:
    """Draws a data set of synthetic texts: which words occur in a text, as standardised columns.

    Word frequencies follow Zipf's law. Each class prefers or avoids a seventh of all words, some classes strongly and
    others weakly. Each text also mixes two of forty subjects, which are independent of the class and vary the text more
    than the class does. Texts vary in length. The share `held_out` of each class's 60 texts is for test. The seed
    determines the data.
    """
    generator = np.random.default_rng(seed)
    vocabulary = _vocabulary(words, classes, generator)
    labels = np.repeat(np.arange(classes, dtype=np.int64), _EXAMPLES)
    x = _write(vocabulary, labels, generator)
    names = tuple(f"topic {seed}.{index}" for index in range(classes))
    rest, test = stratified_split(labels, held_out, seed=0)
    scaling = Scaling.of(x[rest])
    train_x, test_x = scaling(x[rest]), scaling(x[test])
    return DataSet(f"topics{words}", "text", names, train_x, labels[rest], test_x, labels[test])


_EXAMPLES = 60
_SUBJECTS = 40
_SHARE = 1 / 7  # of all words that a class or subject prefers or avoids
_PRESENT = 0.12  # of all words, about, that occur in a text of median length


def _vocabulary(words: int, classes: int, generator: np.random.Generator) -> Vocabulary:
    def preferences(count: int) -> Float[np.ndarray, "one word"]:
        return generator.normal(size=(count, words)) * (generator.random((count, words)) < _SHARE)

    general = -np.log(np.arange(words) + 0.03 * words + 1)
    return Vocabulary(
        general=general - np.log(np.exp(general).sum()),
        subjects=2.0 * preferences(_SUBJECTS),
        classes=generator.uniform(0.5, 2.0, (classes, 1)) * preferences(classes),
    )


def _write(
    vocabulary: Vocabulary, labels: Int64[np.ndarray, " text"], generator: np.random.Generator
) -> Float32[np.ndarray, "text word"]:
    count, words = len(labels), len(vocabulary.general)
    about = sum(
        generator.random((count, 1)) * vocabulary.subjects[generator.integers(_SUBJECTS, size=count)] for _ in range(2)
    )
    rate = np.exp(vocabulary.general + about + vocabulary.classes[labels])
    length = _PRESENT * words * np.exp(0.5 * generator.normal(size=(count, 1)))
    return (generator.random((count, words)) < -np.expm1(-length * rate)).astype(np.float32)
