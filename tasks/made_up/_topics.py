from typing import final

import equinox as eqx
import numpy as np
from jaxtyping import Float, Float32, Int64

from ..data._data_set import DataSet


@final
class Vocabulary(eqx.Module):
    """Logarithms of how often words are used: in general, and how much more by a subject or by a class."""

    general: Float[np.ndarray, " word"]
    subjects: Float[np.ndarray, "subject word"]
    classes: Float[np.ndarray, "class word"]


def topics(words: int, classes: int, seed: int) -> DataSet:
    """Made-up texts as bags of words: 1 for a word that a text holds, else 0, as in `bag_of_words`.

    How often words are used falls off as in Zipf's law. Every text is about two of the same forty subjects, whatever
    its class: that varies it more than its class does, which prefers and avoids a seventh of all words, some classes
    strongly and others weakly. Texts vary in length. The same seed, the same data.
    """
    generator = np.random.default_rng(seed)
    vocabulary = _vocabulary(words, classes, generator)
    labels = np.repeat(np.arange(classes, dtype=np.int64), _EXAMPLES)
    x = _write(vocabulary, labels, generator)
    names = tuple(f"topic {seed}.{place}" for place in range(classes))
    return DataSet(f"topics{words}", "text", names, x, labels, x[:0], labels[:0])


_EXAMPLES = 60
_SUBJECTS = 40
_SHARE = 1 / 7  # of all words that one class or subject cares about
_HELD = 0.12  # share of all words that a text of usual length holds, about


def _vocabulary(words: int, classes: int, generator: np.random.Generator) -> Vocabulary:
    def preferences(many: int) -> Float[np.ndarray, "one word"]:
        return generator.normal(size=(many, words)) * (generator.random((many, words)) < _SHARE)

    general = -np.log(np.arange(words) + 0.03 * words + 1)
    return Vocabulary(
        general=general - np.log(np.exp(general).sum()),
        subjects=2.0 * preferences(_SUBJECTS),
        classes=generator.uniform(0.5, 2.0, (classes, 1)) * preferences(classes),
    )


def _write(
    vocabulary: Vocabulary, labels: Int64[np.ndarray, " text"], generator: np.random.Generator
) -> Float32[np.ndarray, "text word"]:
    many, words = len(labels), len(vocabulary.general)
    about = sum(
        generator.random((many, 1)) * vocabulary.subjects[generator.integers(_SUBJECTS, size=many)] for _ in range(2)
    )
    rate = np.exp(vocabulary.general + about + vocabulary.classes[labels])
    length = _HELD * words * np.exp(0.5 * generator.normal(size=(many, 1)))
    return (generator.random((many, words)) < -np.expm1(-length * rate)).astype(np.float32)
