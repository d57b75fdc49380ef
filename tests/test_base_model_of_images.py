"""A rule may have two base models: one for rows of numbers and one for images."""

import dataclasses

import jax.random as jr
import numpy as np
import pytest
from metarule import evaluate, UnsupervisedEncoder
from metarule.errors import BadInput
from metarule.launch.__main__ import main
from metarule.launch.encoders._trained_rule import TrainedRule
from metarule.launch.evaluation._evaluate import Evaluation
from metarule.launch.options._networks import first_of_each_kind
from metarule.launch.options._recipes import configuration_of, Lean
from metarule.launch.records._rule_file import read_header, save_rule
from metarule.tasks import from_arrays


CONVOLUTION = "conv3x3s2x5-mean"
RECORD = {
    **{"network": "4-3", "image_network": CONVOLUTION, "weight_scale": 0.5},
    **{"batch_size": 5, "evaluation_steps": 2, "skip": 2},
}
TERMS = ("0_order", "1_order", "decorr_x", "large_decay", "lin_lower_symm", "lin_upper_psd", "lin_upper_symm", "rbf")
CHOICE = Lean(hidden=2, signal=1, readout=1, without=(*TERMS, "sqr_lower_symm", "sqr_upper_symm", "w_base"))
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 6, 6), dtype=np.uint8)
LABELS = np.arange(40) % 2
ROWS = IMAGES.reshape(40, -1)


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A place with files of such a rule, `rule.safetensors`, and of the same for rows alone, `rows.safetensors`."""
    folder = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, record in (("rule", RECORD), ("rows", {**RECORD, "image_network": ""})):
            save_rule(folder / f"{name}.safetensors", CHOICE.build(jr.key(0)), configuration_of(CHOICE), record)
        np.savez("images.npz", x=IMAGES, y=LABELS)
        np.savez("rows.npz", x=ROWS, y=LABELS)
        yield folder


def features(rule, x, **options):
    return UnsupervisedEncoder(f"{rule}.safetensors", **{"random_state": 0, **options}).fit_transform(x)


def test_images_are_seen_by_theirs_and_rows_by_the_other():
    np.testing.assert_array_equal(features("rule", IMAGES), features("rows", IMAGES, network=CONVOLUTION))
    np.testing.assert_array_equal(features("rule", ROWS), features("rows", ROWS))
    np.testing.assert_array_equal(
        features("rule", ROWS, image_shape=(6, 6)), features("rows", IMAGES, network=CONVOLUTION)
    )


def test_a_network_that_is_named_sees_everything():
    np.testing.assert_array_equal(features("rule", IMAGES, network="4-3"), features("rows", IMAGES))


def test_images_smaller_than_a_kernel_are_rows():
    small = IMAGES[:, :2, :2]
    np.testing.assert_array_equal(features("rule", small), features("rows", small))


def test_parts_of_images_go_on_with_the_same_base_model():
    encoder = UnsupervisedEncoder("rule.safetensors", random_state=0).partial_fit(IMAGES).partial_fit(IMAGES)
    assert encoder.transform(IMAGES[:3]).shape == (3, 5 + 4)  # Of images the skip path has two grids.
    assert encoder.coefs_[0].shape == (9, 5)


@pytest.mark.parametrize("data, network", [("images.npz", CONVOLUTION), ("rows.npz", "4-3")])
def test_encode_chooses_alike(data, network):
    assert main(["encode", "rule.safetensors", data, "--out", "one.npz"]) == 0
    assert main(["encode", "rows.safetensors", data, "--network", network, "--out", "other.npz"]) == 0
    with np.load("one.npz") as one, np.load("other.npz") as other:
        np.testing.assert_array_equal(one["features"], other["features"])


def scores(rule, task, **settings):
    rows = evaluate(
        f"{rule}.safetensors",
        tasks=(task,),
        encoders=("meta-trained", "random-init", "kmeans", "supervised"),
        **{"labels": 3, "seeds": 2, "queries": 10, **settings},
    )
    return {(row["encoder"], row["readout"]): (row["features"], row["accuracies"]) for row in rows}


def test_a_table_scores_the_rule_on_images_by_theirs_and_baselines_as_on_rows():
    found, convolved, plain = (
        scores("rule", "images.npz"),
        *(scores("rows", "images.npz", network=each) for each in (CONVOLUTION, "4-3")),
    )
    assert found["meta-trained", "ridge"] != plain["meta-trained", "ridge"]
    for place, expected in found.items():
        assert expected == (convolved if place[0] in ("meta-trained", "random-init") else plain)[place]
    assert scores("rule", "rows.npz") == scores("rows", "rows.npz")


def test_tables_of_both_kinds_keep_their_order():
    trained = TrainedRule.of("rule.safetensors")
    settings = Evaluation(encoders=("meta-trained",), labels=3, seeds=1, queries=10)
    made = [from_arrays(name, (x, LABELS)) for name, x in (("a", IMAGES), ("b", ROWS), ("c", IMAGES), ("d", IMAGES))]
    rows = settings.scored(made, trained)
    assert [row["task"] for row in rows] == [name for name in "abcd" for _ in settings.readouts]
    assert [row["features"] for row in rows[::2]] == [5 + 4, 3 + 2, 5 + 4, 5 + 4]


def test_a_file_keeps_the_first_network_of_each_kind():
    assert first_of_each_kind(["8", "conv3x3x2-mean", "attention2x2x4h1-mean"]) == {
        "network": "8",
        "image_network": "conv3x3x2-mean",
    }
    assert first_of_each_kind(["conv3x3x2-mean", "8-4", "8"])["network"] == "8-4"
    assert first_of_each_kind(["conv3x3x2-mean"]) == {"network": "conv3x3x2-mean"}
    assert first_of_each_kind(["8", "4"]) == {"network": "8"}


def test_a_base_model_of_images_that_cant_be_is_refused():
    save_rule("bad.safetensors", CHOICE.build(jr.key(0)), configuration_of(CHOICE), {**RECORD, "image_network": "conv"})
    with pytest.raises(BadInput, match="convolutions of a network are written"):
        TrainedRule.of("bad.safetensors")
    assert read_header("bad.safetensors")[1]["image_network"] == "conv"


def test_it_is_told_apart_by_the_shape():
    trained = TrainedRule.of("rule.safetensors")
    assert trained.network == "4-3" and trained.seeing(None).network == "4-3"
    assert trained.seeing((6, 6, 1)).network == CONVOLUTION and trained.seeing((6, 6, 1)).sees_images
    assert dataclasses.replace(trained, of_images=None).seeing((6, 6, 1)).network == "4-3"
