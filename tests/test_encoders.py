"""What every encoder promises, and what the baselines are, against scikit-learn."""

import dataclasses
import os
import re

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.launch.encoders._autoencoders import Denoising
from metarule.launch.encoders._encoder import EncoderInputs
from metarule.launch.encoders._fan_in import FanIn
from metarule.launch.encoders._k_means import KMeans
from metarule.launch.encoders._scarf import _contrast
from metarule.launch.evaluation._contestants import Comparators, encoders_of, USUAL
from metarule.launch.evaluation._features import EvaluationData, features_of
from metarule.launch.evaluation._programs import Programs
from metarule.launch.evaluation._protocol import Protocol
from metarule.models import MultiLayerPerceptron, ViewSizes
from metarule.rules import Oja
from metarule.tasks import few_shot_indices, from_arrays
from sklearn.cluster import KMeans as ScikitKMeans


FEATURES, LABELS, QUERIES = 4, 3, 20
CLASSES = np.arange(120) % 3
DATA = from_arrays("made-up", (np.random.default_rng(0).normal(size=(120, 6)) + 3 * np.eye(3, 6)[CLASSES], CLASSES))
LEARNS_FROM_LABELS = ("supervised", "label-spreading")
NAMES = (*USUAL, "kmeans-3", "kmeans-3+raw", "random-init+label-spreading+pca-2")
WIDTHS = {
    "raw": 6,
    "pca": 6,
    "neighbours": 6,
    "label-spreading": 3,
    NAMES[-3]: 3,
    NAMES[-2]: 3 + 6,
    NAMES[-1]: 4 + 3 + 2,
}
PROGRAMS = Programs()


@pytest.fixture(scope="module")
def contests():
    architecture = MultiLayerPerceptron((FEATURES,), weight_scale=0.5)
    trained, untrained = Oja(jnp.asarray(0.5)), Oja(jnp.asarray(0.1))  # A learned rule takes much longer to compile.

    def comparators(statistics):
        protocol = Protocol(architecture, labels=LABELS, batch_size=6, statistics=statistics)
        return Comparators(protocol, trained, untrained, (3,), same_steps=True, budget=0.01)

    return {statistics: comparators(statistics) for statistics in ("batch", "frozen")}


def problem(seed):
    support, query = few_shot_indices(DATA, seed, LABELS, QUERIES)
    train = jnp.asarray(DATA.train_inputs())
    test = jnp.asarray(DATA.test_inputs())
    return EncoderInputs(train, train[support], jnp.asarray(DATA.train_y[support]), test[query], 3)


def compute(encoder, problem, seed=0):
    alone = [each[None] for each in (problem.support, problem.labels, problem.query)]
    answers, keys = jnp.zeros(alone[2].shape[:2], int), jr.fold_in(jr.key(0), seed)[None]
    data = EvaluationData(problem.train, *alone, answers, keys, problem.classes)
    return [np.asarray(side[0]) for side in features_of(encoder, data, PROGRAMS)[0]]


def features(comparators, name, problem, seed=0):
    ((_, encoder),) = encoders_of([name], comparators)
    return compute(encoder, problem, seed)


@pytest.mark.parametrize("name", NAMES)
def test_features_are_finite_and_belong_to_a_seed(name, contests):
    support, query = features(contests["batch"], name, problem(0))
    width = WIDTHS.get(name, FEATURES)
    assert support.shape == (3 * LABELS, width) and query.shape == (QUERIES, width)
    assert np.isfinite(support).all() and np.isfinite(query).all() and query.std() > 0
    again, other = (features(contests["batch"], name, problem(seed), seed)[1] for seed in (0, 1))
    assert (query == again).all() and not np.allclose(query, other)


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_supervised_looks_at_labels(name, contests):
    given = problem(0)
    shuffled = dataclasses.replace(given, labels=given.labels[::-1])
    one, other = (features(contests["batch"], name, each)[1] for each in (given, shuffled))
    assert (one == other).all() != any(part in LEARNS_FROM_LABELS for part in name.split("+"))


def test_labels_of_queries_are_out_of_reach():
    assert [field.name for field in dataclasses.fields(EncoderInputs)] == [
        "train",
        "support",
        "labels",
        "query",
        "classes",
        "form",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_query_stands_alone_unless_the_table_says_otherwise(name, contests):
    given = problem(0)
    others = dataclasses.replace(given, query=given.query.at[10:].multiply(-2.0))
    for statistics, comparators in contests.items():
        ((_, encoder),) = encoders_of([name], comparators)
        one, other = (features(comparators, name, each)[1][:10] for each in (given, others))
        assert np.allclose(one, other, rtol=1e-5, atol=1e-5) != encoder.account(96).other_rows
        assert encoder.account(96).statistics in (statistics, "none")


@pytest.mark.parametrize("name", NAMES)
def test_unlabelled_examples_count_if_they_have_a_say(name, contests):
    given = problem(0)
    other = dataclasses.replace(given, train=given.train[::-1] ** 2)
    for comparators in contests.values():
        ((_, encoder),) = encoders_of([name], comparators)
        one, changed = (features(comparators, name, each)[1] for each in (given, other))
        assert np.allclose(one, changed) == (encoder.account(len(given.train)).unlabelled == 0)


def test_views_stand_beside_the_features_of_the_frozen_model(contests):
    with_views = dataclasses.replace(
        contests["batch"], protocol=dataclasses.replace(contests["batch"].protocol, beside=ViewSizes(2, 5, 50))
    )
    given = problem(0)
    ((_, encoder),) = encoders_of(["meta-trained"], with_views)
    found = np.concatenate(features(with_views, "meta-trained", given))
    assert found.shape[1] == FEATURES + 2 + 5 + 23  # Of 96 examples there are 24 anchors, and one component less.
    frozen = np.concatenate(features(contests["frozen"], "meta-trained", given))
    for column, own in zip(found.T, frozen.T):
        np.testing.assert_allclose(np.corrcoef(column, own)[0, 1], 1, rtol=1e-5)
    others = dataclasses.replace(given, query=given.query.at[10:].multiply(-2.0))
    np.testing.assert_allclose(features(with_views, "meta-trained", others)[1][:10], found[9:19], atol=1e-4)
    cost = encoder.account(96)
    assert (cost.statistics, cost.unlabelled, cost.other_rows) == ("frozen", 96, False)


def test_an_unknown_encoder_lists_the_known(contests):
    with pytest.raises(
        BadInput, match=r"Unknown encoder 'isomap'; did you mean umap\? The known ones are meta-trained"
    ):
        encoders_of(["raw", "isomap"], contests["batch"])


@pytest.mark.parametrize(
    "name, said",
    [
        ("raw-10", "number of features 'raw'; the known ones are pca, kmeans, umap, tfidf-svd"),
        ("kmeans-0", "Unknown encoder 'kmeans-0'"),
        ("raw+", "Unknown encoder ''"),
    ],
)
def test_sizes_and_sums_that_name_no_encoder(name, said, contests):
    with pytest.raises(BadInput, match=re.escape(said)):
        encoders_of([name], contests["batch"])


def test_k_means_is_scikit_learns():
    given = problem(0)
    keys = jr.fold_in(jr.key(0), 0)
    start = given.train[jr.choice(keys, len(given.train), (5,), replace=False)]
    oracle = ScikitKMeans(5, init=np.asarray(start), n_init=1, max_iter=50, tol=0, algorithm="lloyd")
    distances = oracle.fit(np.asarray(given.train)).transform(np.asarray(given.query))
    expected = np.maximum(distances.mean(1, keepdims=True) - distances, 0)
    np.testing.assert_allclose(compute(KMeans(5, jnp.asarray(50)), given)[1], expected, atol=1e-4)


def test_blocks_side_by_side_weigh_the_same(contests):
    given = problem(0)
    joined = features(contests["batch"], "raw+neighbours", given)
    start = 0
    for name in ("raw", "neighbours"):
        support, query = features(contests["batch"], name, given)
        scale = np.sqrt(support.var(0).sum())
        for side, whole in zip((support, query), joined):
            expected = (side - support.mean(0)) / scale
            np.testing.assert_allclose(whole[:, start : start + side.shape[1]], expected, atol=1e-5)
        start += support.shape[1]
    assert joined[0].shape[1] == start


def test_the_contrast_is_the_surprise_of_the_right_pair():
    """Examples at right angles: each is like its own corrupted one (similarity 1) and unlike the others (0)."""
    loss = _contrast(jnp.concatenate([3 * jnp.eye(5), 0.5 * jnp.eye(5)]), 0.7)
    np.testing.assert_allclose(loss, np.log(np.exp(1 / 0.7) + 4) - 1 / 0.7, rtol=1e-5)
    assert np.isfinite(jax.grad(lambda z: _contrast(z, 0.7))(jnp.zeros((6, 3)))).all()


def test_a_denoising_autoencoder_learns_from_what_is_not_masked():
    """Behind a mask of everything its first weights have no gradient: features are those of its start."""
    start, all_masked, half_masked = (
        compute(Denoising(FanIn(MultiLayerPerceptron((FEATURES,))), jnp.asarray(steps), masked=share), problem(0))[1]
        for steps, share in ((0, 0.5), (20, 1.0), (20, 0.5))
    )
    np.testing.assert_allclose(all_masked, start, atol=1e-5)
    assert not np.allclose(half_masked, start, atol=0.05)


def test_a_sum_has_a_row_for_every_number_of_steps(contests):
    several = dataclasses.replace(contests["batch"], steps=(2, 5))
    for name, encoder in encoders_of(["pca-2+meta-trained"], several):
        assert name == "pca-2+meta-trained" and encoder.parts[0].account(9).steps == 0
    assert [encoder.account(9).steps for _, encoder in encoders_of(["pca-2+meta-trained"], several)] == [2, 5]


def test_a_decoder_mirrors_the_encoder():
    decoder = FanIn(MultiLayerPerceptron((7, 5, 3))).reversed(jr.key(0))
    assert [layer.synapses[0].w.shape for layer in decoder.layers] == [(3, 5), (5, 7)]


def test_baselines_begin_with_weights_of_one_length():
    model = FanIn(MultiLayerPerceptron((300, 200), weight_scale=0.01), gain=2.0)((400,), jr.key(0))
    for layer in model.layers:
        (synapse,) = layer.synapses
        length = jnp.sqrt((synapse.w**2).sum(0))
        np.testing.assert_allclose(length, 2 * 0.88, rtol=0.2)
        assert not synapse.b.any()


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("METARULE_DATA"), reason="METARULE_DATA names no folder of real data")
def test_baselines_are_themselves_on_mnist():
    """With 10 labels per class and 28x28 pixels."""
    from metarule.tasks import load

    protocol = Protocol(MultiLayerPerceptron((64, 64, 64, 64, 32), jax.nn.relu, 0.1), seeds=5)
    rule = Oja()
    names = ("random-init", "raw", "pca", "supervised", "vae")
    rows = protocol.rows(encoders_of(names, Comparators(protocol, rule, rule, (1,))), [load("mnist28")])
    found = {(row["encoder"], row["readout"]): row["accuracy"] for row in rows}
    for readout in ("ridge", "logistic"):
        assert 0.68 < found["raw", readout] < 0.78
        assert 0.6 < found["supervised", readout] < 0.8
        for name in ("pca", "vae"):
            assert found[name, readout] > found["random-init", readout]
