from typing import final

import equinox as eqx
import numpy as np
from jaxtyping import Float, Float32, Int, PRNGKeyArray

from ._encoder import AbstractHostEncoder, EncoderCost, EncoderInputs, HostFeatures


@final
class PCA(AbstractHostEncoder):
    """Projections on the first principal components of the train examples, or on all where there are fewer.

    Of several numbers of `components` each seed takes the one with which ridge regression has the least leave-one-out
    error on the labelled examples; the features that are left out are zero.
    """

    components: tuple[int, ...] = eqx.field(static=True)

    def fit(self, train: Float32[np.ndarray, "train input"]) -> HostFeatures:
        from sklearn.decomposition import PCA as Components  # Takes a second to import.

        most = min(max(self.components), *train.shape)
        components = Components(most, random_state=0).fit(train)

        def features(problem: EncoderInputs, key: PRNGKeyArray) -> tuple[np.ndarray, np.ndarray]:
            support, query = (components.transform(np.asarray(x)) for x in (problem.support, problem.query))
            kept = np.arange(most) < self._chosen(support, np.asarray(problem.labels))
            return support * kept, query * kept

        return features

    def account(self, train: int) -> EncoderCost:
        return EncoderCost(unlabelled=train)

    def _chosen(self, support: Float[np.ndarray, "support component"], labels: Int[np.ndarray, " support"]) -> int:
        if len(self.components) == 1:
            return self.components[0]
        return min(self.components, key=lambda count: _leave_one_out_error(support[:, :count], labels))


def _leave_one_out_error(x: Float[np.ndarray, "support component"], labels: Int[np.ndarray, " support"]) -> float:
    """The squared error of ridge regression, with the best penalty, for examples that it is not fitted to."""
    from sklearn.linear_model import RidgeCV

    penalties = np.logspace(-4, 3, 8) * max(x.var(0).sum(), 1e-30)
    found = RidgeCV(penalties, store_cv_results=True).fit(x, np.eye(labels.max() + 1)[labels])
    return float(found.cv_results_.mean((0, 1)).min())
