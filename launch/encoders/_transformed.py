import importlib.util
import threading
from typing import final

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

    A word occurs in a text where its input lies above zero, be it one, a count, or standardised as Metarule does. That
    is the word's frequency in its text.
    """

    components: int = eqx.field(static=True)

    def fit(self, train: Float32[np.ndarray, "train input"]) -> HostFeatures:
        from sklearn.decomposition import TruncatedSVD  # Takes a second to import.
        from sklearn.feature_extraction.text import TfidfTransformer
        from sklearn.pipeline import make_pipeline

        components = min(self.components, train.shape[1])
        pipeline = make_pipeline(TfidfTransformer(), TruncatedSVD(components, random_state=0)).fit(_occurs(train))
        return lambda problem, key: tuple(
            pipeline.transform(_occurs(np.asarray(x))) for x in (problem.support, problem.query)
        )

    def account(self, train: int) -> EncoderCost:
        return EncoderCost(unlabelled=train)


def _occurs(x: np.ndarray) -> Float32[np.ndarray, "text word"]:
    return (x > 0).astype(np.float32)
