from typing import final

import equinox as eqx
import numpy as np
from jaxtyping import Float32, PRNGKeyArray

from ._encoder import AbstractHostEncoder, EncoderCost, EncoderInputs, evenly_spaced, HostFeatures, sample_size


@final
class Neighbours(AbstractHostEncoder):
    """The mean of the `neighbours` nearest of up to 40,000 train examples, where an input was."""

    neighbours: int = eqx.field(static=True, default=15)

    def fit(self, train: Float32[np.ndarray, "train input"]) -> HostFeatures:
        from sklearn.neighbors import NearestNeighbors  # Takes a second to import.

        sample = evenly_spaced(train)
        nearest = NearestNeighbors(n_neighbors=min(self.neighbours, len(sample))).fit(sample)
        mean = lambda x: sample[nearest.kneighbors(np.asarray(x), return_distance=False)].mean(1)
        return lambda problem, key: (mean(problem.support), mean(problem.query))

    def account(self, train: int) -> EncoderCost:
        return EncoderCost(unlabelled=sample_size(train))


@final
class LabelSpreading(AbstractHostEncoder):
    """The probabilities of the classes that label spreading finds (Zhou et al., NIPS 2003), by scikit-learn.

    Labels spread over a graph of the labelled examples, up to 40,000 train examples and all query examples, each
    joined to its 7 nearest along the first 32 principal components. This is a classifier, which leaves the readouts
    little to do, and it is transductive: what a query is taken for depends on the other ones.
    """

    components: int = eqx.field(static=True, default=32)
    neighbours: int = eqx.field(static=True, default=7)

    def fit(self, train: Float32[np.ndarray, "train input"]) -> HostFeatures:
        from sklearn.decomposition import PCA  # Takes a second to import.

        components = PCA(min(self.components, *train.shape), random_state=0).fit(train)
        along = components.transform(evenly_spaced(train))

        def features(problem: EncoderInputs, key: PRNGKeyArray) -> tuple[np.ndarray, np.ndarray]:
            support, query = (components.transform(np.asarray(x)) for x in (problem.support, problem.query))
            unknown = np.full(len(query) + len(along), -1)
            spread = self._spread(
                np.concatenate([support, query, along]), np.concatenate([np.asarray(problem.labels), unknown])
            )
            return spread[: len(support)], spread[len(support) : len(support) + len(query)]

        return features

    def account(self, train: int) -> EncoderCost:
        return EncoderCost(unlabelled=train, transductive=True)

    def _spread(self, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
        from sklearn.semi_supervised import LabelSpreading as Spreading

        neighbours = min(self.neighbours, len(x))
        # By its own tolerance it stops before labels are more than some five steps from where they began.
        spreading = Spreading(kernel="knn", n_neighbors=neighbours, max_iter=1000, tol=1e-12)
        return spreading.fit(x, labels).label_distributions_
