"""What every encoder promises, and what the baselines are, against scikit-learn."""

import dataclasses
import os

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.launch.encoders._encoder import EncoderInputs
from metarule.launch.encoders._fan_in import FanIn
from metarule.launch.encoders._k_means import KMeans
from metarule.launch.encoders._pca import PCA
from metarule.launch.evaluation._contestants import Comparators, ENCODERS, encoders_of
from metarule.launch.evaluation._protocol import Protocol
from metarule.models import MultiLayerPerceptron
from metarule.rules import Oja
from metarule.tasks import few_shot_indices, from_arrays
from sklearn.cluster import KMeans as ScikitKMeans
from sklearn.decomposition import PCA as ScikitPCA


FEATURES, LABELS, QUERIES = 4, 3, 20
CLASSES = np.arange(120) % 3
DATA = from_arrays("made-up", (np.random.default_rng(0).normal(size=(120, 6)) + 3 * np.eye(3, 6)[CLASSES], CLASSES))
LEARNS_FROM_LABELS = ("supervised",)


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


@eqx.filter_jit
def compute(encoder, problem, seed):
    return encoder(problem, jr.fold_in(jr.key(0), seed))


def features(comparators, name, problem, seed=0):
    ((_, encoder),) = encoders_of([name], comparators)
    return [np.asarray(side) for side in compute(encoder, problem, jnp.asarray(seed))]


@pytest.mark.parametrize("name", ENCODERS)
def test_features_are_finite_and_belong_to_a_seed(name, contests):
    support, query = features(contests["batch"], name, problem(0))
    width = DATA.input_size if name == "raw" else FEATURES
    assert support.shape == (3 * LABELS, width) and query.shape == (QUERIES, width)
    assert np.isfinite(support).all() and np.isfinite(query).all() and query.std() > 0
    again, other = (features(contests["batch"], name, problem(seed), seed)[1] for seed in (0, 1))
    assert (query == again).all() and not np.allclose(query, other)


@pytest.mark.parametrize("name", ENCODERS)
def test_only_what_is_supervised_looks_at_labels(name, contests):
    given = problem(0)
    shuffled = dataclasses.replace(given, labels=given.labels[::-1])
    one, other = (features(contests["batch"], name, each)[1] for each in (given, shuffled))
    assert (one == other).all() != (name in LEARNS_FROM_LABELS)


def test_labels_of_queries_are_out_of_reach():
    assert [field.name for field in dataclasses.fields(EncoderInputs)] == [
        "train",
        "support",
        "labels",
        "query",
        "classes",
    ]


@pytest.mark.parametrize("name", ENCODERS)
def test_with_frozen_statistics_a_query_stands_alone(name, contests):
    given = problem(0)
    others = dataclasses.replace(given, query=given.query.at[10:].multiply(-2.0))
    frozen = [features(contests["frozen"], name, each)[1][:10] for each in (given, others)]
    np.testing.assert_allclose(*frozen, rtol=1e-5, atol=1e-6)
    ((_, encoder),) = encoders_of([name], contests["batch"])
    batch = [features(contests["batch"], name, each)[1][:10] for each in (given, others)]
    assert np.allclose(*batch, rtol=1e-5, atol=1e-6) == (encoder.account(96).statistics == "none")


@pytest.mark.parametrize("name", ENCODERS)
def test_unlabelled_examples_count_if_they_have_a_say(name, contests):
    given = problem(0)
    other = dataclasses.replace(given, train=given.train[::-1] ** 2)
    for comparators in contests.values():
        ((_, encoder),) = encoders_of([name], comparators)
        one, changed = (features(comparators, name, each)[1] for each in (given, other))
        assert np.allclose(one, changed) == (encoder.account(len(given.train)).unlabelled == 0)


def test_an_unknown_encoder_lists_the_known(contests):
    with pytest.raises(BadInput, match="Unknown encoder 'isomap'; the known ones are meta-trained, untrained"):
        encoders_of(["raw", "isomap"], contests["batch"])


def test_pca_is_scikit_learns():
    generator = np.random.default_rng(0)
    x = (generator.normal(size=(300, 40)) * 0.8 ** np.arange(40)) @ np.linalg.qr(generator.normal(size=(40, 40)))[0]
    x = (x + 2).astype(np.float32)
    given = EncoderInputs(jnp.asarray(x), jnp.asarray(x[:5]), jnp.zeros(5, int), jnp.asarray(x[5:9]), 2)
    ours = np.concatenate(compute(PCA((6,)), given, jnp.asarray(0)))
    theirs = ScikitPCA(6).fit(x).transform(x[:9])
    np.testing.assert_allclose(ours * np.sign(ours[0] * theirs[0]), theirs, atol=1e-3)


def test_k_means_is_scikit_learns():
    given = problem(0)
    keys = jr.fold_in(jr.key(0), 0)
    start = given.train[jr.choice(keys, len(given.train), (5,), replace=False)]
    oracle = ScikitKMeans(5, init=np.asarray(start), n_init=1, max_iter=50, tol=0, algorithm="lloyd")
    distances = oracle.fit(np.asarray(given.train)).transform(np.asarray(given.query))
    expected = np.maximum(distances.mean(1, keepdims=True) - distances, 0)
    np.testing.assert_allclose(compute(KMeans(5, jnp.asarray(50)), given, jnp.asarray(0))[1], expected, atol=1e-4)


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
