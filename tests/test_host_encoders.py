"""Encoders that compute with NumPy, against closed forms and plain loops."""

import importlib.util

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.launch.encoders._encoder import AbstractHostEncoder, EncoderCost, EncoderInputs
from metarule.launch.encoders._neighbours import LabelSpreading, Neighbours
from metarule.launch.encoders._pca import PCA
from metarule.launch.encoders._transformed import LatentSemantics, UMAP
from metarule.launch.evaluation._protocol import Protocol
from metarule.models import MultiLayerPerceptron
from metarule.tasks import from_arrays
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut


def compute(encoder, train, support, query, labels=None):
    labels = np.arange(len(support)) % 2 if labels is None else labels
    arrays = [jnp.asarray(x, jnp.float32) for x in (train, support, query)]
    problem = EncoderInputs(arrays[0], arrays[1], jnp.asarray(labels), arrays[2], int(labels.max()) + 1)
    return encoder.fit(np.asarray(problem.train))(problem, jr.key(0))


def along_singular_vectors(x, train, count):
    """Projections on the first right singular vectors of a matrix, with a sign of their own."""
    return x @ np.linalg.svd(train, full_matrices=False)[2][:count].T


def assert_same_but_for_signs(ours, theirs):
    np.testing.assert_allclose(ours * np.sign(ours[0] * theirs[0]), theirs, atol=2e-3)


def decaying(seed, rows, columns=12):
    generator = np.random.default_rng(seed)
    return (generator.normal(size=(rows, columns)) * 0.7 ** np.arange(columns)).astype(np.float32) + 2


def test_principal_components_are_singular_vectors():
    train, other = decaying(0, 200), decaying(1, 9)
    ours = np.concatenate(compute(PCA((4,)), train, other[:4], other[4:]))
    mean = train.mean(0)
    assert_same_but_for_signs(ours, along_singular_vectors(other - mean, train - mean, 4))


def leave_one_out(x, targets):
    """The least squared error, over penalties, of examples that ridge regression is not fitted to."""
    total = x.var(0).sum()

    def error(penalty):
        def residual(rest, one):
            return targets[one] - Ridge(penalty).fit(x[rest], targets[rest]).predict(x[one])

        return np.mean([residual(rest, one) ** 2 for rest, one in LeaveOneOut().split(x)])

    return min(error(10.0**power * total) for power in range(-4, 4))


def test_the_number_of_components_is_the_one_with_the_least_leave_one_out_error():
    chosen, candidates = set(), (1, 2, 5)
    for seed in range(6):
        train, other = decaying(seed, 60), decaying(100 + seed, 40)
        labels = (other[:, seed % 3] > 2).astype(int)
        support, query = compute(PCA(candidates), train, other[:20], other[20:], labels[:20])
        count = int((query.std(0) > 0).sum())
        every, _ = compute(PCA((5,)), train, other[:20], other[20:], labels[:20])
        best = min(candidates, key=lambda each: leave_one_out(every[:, :each], np.eye(2)[labels[:20]]))
        assert count == best and support.shape[1] == 5
        np.testing.assert_allclose(support[:, :count], every[:, :count], atol=1e-5)
        chosen.add(count)
    assert len(chosen) > 1


def test_neighbours_are_found_one_by_one():
    train, support, query = decaying(0, 30), decaying(1, 3), decaying(2, 5)
    found = compute(Neighbours(4), train, support, query)
    for x, features in zip((support, query), found):
        for row, mean in zip(x, features):
            nearest = np.argsort(((train - row) ** 2).sum(1))[:4]
            np.testing.assert_allclose(mean, train[nearest].mean(0), rtol=1e-5)


def test_labels_spread_along_a_chain_of_unlabelled_examples():
    """Two parallel lines: from the labelled end of one it is further to its other end than to the other line."""
    along = np.linspace(0, 2, 21)
    lines = [np.stack([along, np.full(21, height)], 1) for height in (0.0, 1.0)]
    support, train = np.stack([lines[0][0], lines[1][-1]]), np.concatenate([line[1:-1] for line in lines])
    query = np.stack([lines[0][-1], lines[1][0]])
    labelled, found = compute(LabelSpreading(), train, support, query)
    assert labelled.argmax(1).tolist() == [0, 1] and found.argmax(1).tolist() == [0, 1]
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_tf_idf_and_its_singular_vectors_are_by_their_formula():
    generator = np.random.default_rng(0)
    train, other = (generator.random((count, 8)) < np.linspace(0.6, 0.1, 8) for count in (50, 9))
    idf = np.log((1 + len(train)) / (1 + train.sum(0))) + 1

    def weighted(x):
        made = x * idf
        return made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)

    ours = np.concatenate(compute(LatentSemantics(3), train, other[:4], other[4:]))
    assert_same_but_for_signs(ours, along_singular_vectors(weighted(other), weighted(train), 3))
    standardised = np.concatenate(compute(LatentSemantics(3), *(x - 0.3 for x in (train, other[:4], other[4:]))))
    np.testing.assert_allclose(standardised, ours, atol=1e-6)


class Counting(AbstractHostEncoder):
    """Notes how often it is fitted and which seeds it makes features for."""

    calls: list

    def fit(self, train):
        self.calls.append(len(train))

        def features(problem, key):
            self.calls.append(jr.key_data(key).tolist())
            return np.asarray(problem.support), np.asarray(problem.query)

        return features

    def account(self, train):
        return EncoderCost(unlabelled=train, transductive=True)


def test_what_seeds_share_is_learned_once_and_a_row_says_what_it_depends_on():
    labels = np.arange(60) % 2
    data = from_arrays("made-up", (decaying(0, 60) + labels[:, None], labels))
    protocol = Protocol(MultiLayerPerceptron((2,)), labels=3, seeds=2, unlabelled=20)
    counting = Counting([])
    row, _ = protocol.rows([("counting", counting)], [data])
    assert counting.calls[0] == 20 and len(counting.calls) == 3 and counting.calls[1] != counting.calls[2]
    assert (row["features"], row["other_rows"], row["unlabelled"]) == (12, True, 20)


def test_a_missing_umap_is_told_before_anything_is_computed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"pip install 'metarule\[umap\]'"):
        UMAP(2)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_umap_tells_clusters_apart():
    pytest.importorskip("umap", reason="umap-learn is not installed")
    generator = np.random.default_rng(0)
    labels = np.arange(120) % 3
    x = generator.normal(size=(120, 6)) + 20 * np.eye(3, 6)[labels]
    support, query = compute(UMAP(2), x[:90], x[90:99], x[99:], labels[90:99])
    means = np.stack([support[labels[90:99] == each].mean(0) for each in range(3)])
    nearest = ((query[:, None] - means) ** 2).sum(-1).argmin(1)
    assert support.shape == (9, 2) and (nearest == labels[99:]).all()
