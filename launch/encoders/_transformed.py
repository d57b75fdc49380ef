import importlib.util
import threading
from typing import Any, final

import equinox as eqx
import numpy as np
from jaxtyping import Float32, PRNGKeyArray

from ...errors import BadInput
from ._encoder import AbstractHostEncoder, EncoderCost, EncoderInputs, evenly_spaced, HostFeatures, sample_size


_ALONE = threading.Lock()
"""Held by whoever computes with umap-learn: two threads that do so at once can wait for each other for ever."""


@final
class UMAP(AbstractHostEncoder):
    """Uniform manifold approximation and projection (arXiv 1802.03426), by umap-learn with its own settings.

    It is fitted to up to 20,000 train examples, once for all seeds; labelled and query examples are embedded among them
    by its `transform`, which is stochastic and looks at all of its rows together. Raises `BadInput` where umap-learn is
    not installed.
    """

    components: int = eqx.field(static=True)

    def __check_init__(self):
        if importlib.util.find_spec("umap") is None:
            raise BadInput("The encoder umap needs umap-learn: pip install 'metarule[umap]'.")

    def fit(self, train: Float32[np.ndarray, "train input"]) -> HostFeatures:
        # Takes several seconds to import, and is an extra.
        from umap import UMAP as Projection  # pyright: ignore[reportMissingImports]

        sample = evenly_spaced(train, 20_000)
        neighbours = min(15, len(sample) - 1)
        with _ALONE:
            fitted = Projection(neighbours, self.components, random_state=0, n_jobs=1).fit(sample)

        def features(problem: EncoderInputs, key: PRNGKeyArray) -> tuple[np.ndarray, np.ndarray]:
            with _ALONE:
                return fitted.transform(np.asarray(problem.support)), fitted.transform(np.asarray(problem.query))

        return features

    def account(self, train: int) -> EncoderCost:
        return EncoderCost(unlabelled=sample_size(train, 20_000), transductive=True)


@final
class LatentSemantics(AbstractHostEncoder):
    """Latent semantic analysis of texts: TF-IDF, then a truncated singular value decomposition, by scikit-learn.

    Inputs count the words of a text. Where they only say whether a word occurs, as with all texts that Metarule reads,
    that is the word's frequency in its text. Raises `BadInput` for inputs below zero, which count nothing.
    """

    components: int = eqx.field(static=True)

    def fit(self, train: Float32[np.ndarray, "train input"]) -> HostFeatures:
        from sklearn.decomposition import TruncatedSVD  # Takes a second to import.
        from sklearn.feature_extraction.text import TfidfTransformer
        from sklearn.pipeline import make_pipeline

        if train.min() < 0:
            raise BadInput(
                "The encoder tfidf-svd is for texts: some of these inputs are below zero, so they count no words."
            )
        return _transform(
            make_pipeline(TfidfTransformer(), TruncatedSVD(min(self.components, train.shape[1]), random_state=0)).fit(
                train
            )
        )

    def account(self, train: int) -> EncoderCost:
        return EncoderCost(unlabelled=train)


def _transform(fitted: Any) -> HostFeatures:
    return lambda problem, key: tuple(fitted.transform(np.asarray(x)) for x in (problem.support, problem.query))
