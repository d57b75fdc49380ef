"""`metarule encode`: features of one's own data, and what it refuses."""

import jax.random as jr
import numpy as np
import pandas
import pytest
from metarule import UnsupervisedEncoder
from metarule.errors import BadInput
from metarule.launch.__main__ import main
from metarule.launch.options._recipes import configuration_of, Lean
from metarule.launch.records._features_file import FeaturePart, write_features
from metarule.launch.records._rule_file import save_rule
from metarule.tasks import load_inputs
from PIL import Image


RECORD = {"network": "3", "weight_scale": 0.5, "batch_size": 5, "evaluation_steps": 2}
TERMS = ("0_order", "1_order", "decorr_x", "large_decay", "lin_lower_symm", "lin_upper_psd", "lin_upper_symm", "rbf")
CHOICE = Lean(hidden=2, signal=1, readout=1, without=(*TERMS, "sqr_lower_symm", "sqr_upper_symm", "w_base"))
X = np.random.default_rng(0).normal(size=(30, 4)) * (1, 10, 0.1, 1) + 3
Y = np.repeat(["b", "a", "c"], 10)
PIXELS = np.random.default_rng(0).integers(0, 256, (30, 2, 2), dtype=np.uint8)


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A place with a rule and data, where the tests of this file run."""
    folder = tmp_path_factory.mktemp("encode")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        save_rule("rule", CHOICE.build(jr.key(0)), configuration_of(CHOICE), RECORD)
        np.savez("bare.npz", x=X)
        np.save("bare.npy", X)
        np.save("y.npy", Y)
        np.savez("labelled.npz", x=X, y=Y)
        np.savez("split.npz", x_train=X[:20], x_test=X[20:], y_test=Y[20:])
        np.savez("images.npz", train_x=PIXELS)
        np.savez("floats.npz", x=PIXELS / 255)
        np.savez("infinite.npz", x=np.where(X > 5, np.inf, X))
        np.savez("named.npz", seen=X, said=Y, x=X[:3])
        np.savez("short.npz", x=X, y=Y[1:])
        np.savez("labels.npz", y=Y)
        np.savez("two.npz", x_train=X, x_test=X[:, 1:])
        rows = "".join(f"{a},{b},{c},{d},{label}\n" for (a, b, c, d), label in zip(X, Y))
        (folder / "table.csv").write_text("a,b,c,d,kind\n" + rows)
        (folder / "twice.csv").write_text("a, a\n1,2\n3,4\n")
        yield folder


def encode(data, *options):
    assert main(["encode", "rule", data, "--out", "out.npz", *options]) == 0
    with np.load("out.npz") as arrays:
        return dict(arrays)


def test_all_rows_in_their_order_with_labels_or_without(capsys):
    bare, labelled = encode("bare.npz"), encode("labelled.npz")
    assert "features [30, 3], y [30]." in capsys.readouterr().out
    assert list(bare) == ["features"] and list(labelled["y"]) == list(Y)
    np.testing.assert_array_equal(bare["features"], labelled["features"])
    np.testing.assert_allclose(
        bare["features"], UnsupervisedEncoder("rule", random_state=0).fit_transform(X), rtol=1e-4, atol=1e-4
    )


def test_a_split_is_kept_and_only_train_examples_are_fitted_to():
    split = encode("split.npz")
    assert sorted(split) == ["features_test", "features_train", "y_test"] and list(split["y_test"]) == list(Y[20:])
    fitted = UnsupervisedEncoder("rule", random_state=0).fit(X[:20])
    np.testing.assert_allclose(split["features_test"], fitted.transform(X[20:]), rtol=1e-4, atol=1e-4)


def test_images_are_bytes_or_the_same_as_floats():
    np.testing.assert_array_equal(encode("images.npz")["features"], encode("floats.npz")["features"])


def test_a_table_is_not_split_and_needs_no_labels(capsys):
    arrays, bare = encode("table.csv:kind"), encode("table.csv", "--drop", "kind")
    assert list(arrays["y"]) == list(Y) and list(bare) == ["features"]
    np.testing.assert_array_equal(arrays["features"], bare["features"])
    np.testing.assert_array_equal(arrays["features"], encode("table.csv", "--labels", "kind")["features"])
    assert capsys.readouterr().out.count("No column was named as label (DATA:LABEL), so each is an input.") == 1
    assert encode("table.csv")["features"].shape == (30, 3)
    less = encode("table.csv", "--drop", "kind", "a", "b")["features"]
    np.testing.assert_allclose(
        less, UnsupervisedEncoder("rule", random_state=0).fit_transform(X[:, 2:]), rtol=1e-4, atol=1e-4
    )


def test_arrays_of_other_names_are_said():
    named = encode("named.npz", "--inputs", "seen", "--labels", "said")
    np.testing.assert_array_equal(named["features"], encode("bare.npz")["features"])
    assert list(named["y"]) == list(Y)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npy"])
def test_the_suffix_says_what_is_written(suffix):
    expected = encode("labelled.npz")
    assert main(["encode", "rule", "labelled.npz", "--out", f"out.{suffix}"]) == 0
    if suffix == "npy":
        np.testing.assert_array_equal(np.load("out.npy"), expected["features"])
        return
    frame = pandas.read_csv("out.csv") if suffix == "csv" else pandas.read_parquet("out.parquet")
    assert list(frame.columns) == [*(f"rule{place}" for place in range(3)), "y"]
    np.testing.assert_allclose(frame.iloc[:, :3].to_numpy(np.float32), expected["features"], rtol=1e-6)
    assert list(frame["y"]) == list(Y)


def test_a_table_of_features_tells_splits_apart():
    split = encode("split.npz")
    assert main(["encode", "rule", "split.npz", "--out", "out.csv"]) == 0
    frame = pandas.read_csv("out.csv")
    assert list(frame["split"]) == ["train"] * 20 + ["test"] * 10 and list(frame["y"][20:]) == list(Y[20:])
    test = frame[frame["split"] == "test"].iloc[:, 1:4].to_numpy(np.float32)
    np.testing.assert_allclose(test, split["features_test"], rtol=1e-6)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npz"])
def test_images_in_a_folder_are_told_by_their_files(suffix, tmp_path):
    names = [f"{kind}/{place}.png" for kind in ("cat", "dog") for place in range(4)]
    for name, image in zip(names, PIXELS):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "photos" / name)
    assert main(["encode", "rule", str(tmp_path / "photos"), "--out", f"out.{suffix}"]) == 0
    if suffix == "npz":
        assert np.load("out.npz")["files"].tolist() == names
        return
    frame = pandas.read_csv("out.csv") if suffix == "csv" else pandas.read_parquet("out.parquet")
    assert list(frame.columns[:2]) == ["file", "rule0"] and list(frame["file"]) == names


def test_options_have_their_say():
    plain = encode("bare.npz")["features"]
    for options in (["--seed", "1"], ["--steps", "0"], ["--batch-size", "6"], ["--activation", "tanh"]):
        assert not np.allclose(encode("bare.npz", *options)["features"], plain)
    assert encode("bare.npz", "--network", "5-2")["features"].shape == (30, 2)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["rule", "bare.npz", "--out", "./bare.npz"], "is an input"),
        (["rule", "table.csv:kind", "--out", "table.csv"], "is an input"),
        (["rule", "bare.npz", "--out", "rule"], "is an input"),
        (["rule", "bare.npy:y.npy", "--out", "y.npy"], "is an input"),
        (["rule", "bare.npy", "--labels", "y.npy", "--out", "y.npy"], "is an input"),
        (["absent", "bare.npz", "--out", "o.npz"], "There is no rule at absent"),
        (["rule", "absent.npz", "--out", "o.npz"], "There is no file absent.npz"),
        (["rule", "twice.csv", "--out", "o.npz"], "names two columns alike"),
        (["rule", "table.csv", "--out", "table.csv"], "is an input"),
        (["rule", "table.csv", "--out", "o.npz", "--drop", "price"], "no column 'price'; its columns are a, b"),
        (["rule", "table.csv:price", "--out", "o.npz"], "no column 'price'"),
        (["rule", "bare.npz", "--out", "o.npz", "--drop", "a"], "--drop is for tables"),
        (["rule", "bare.npz", "--out", "o.npz", "--inputs", "z"], "holds no array 'z'; it holds x"),
        (["rule", "bare.npz", "--out", "o.txt"], "let it end in one of .csv, .parquet, .npz, .npy"),
        (["rule", "split.npz", "--out", "o.npy"], "two splits"),
        (["rule", "infinite.npz", "--out", "o.npz"], "hold infinity"),
        (["rule", "short.npz", "--out", "o.npz"], "give one for each"),
        (["rule", "labels.npz", "--out", "o.npz"], "name the inputs x and the labels y"),
        (["rule", "two.npz", "--out", "o.npz"], "train examples have shape (4,) but test examples (3,)"),
        (["rule", "bare.npz", "--out", "o.npz", "--steps", "-1"], "steps must be 0 or more"),
        (["rule", "bare.npz", "--out", "o.npz", "--seed", "-1"], "--seed must be from 0 to 4294967295"),
        (["rule", "bare.npz", "--out", "bare.npz/o.npz"], "Can't write bare.npz/o.npz"),
    ],
)
def test_what_cant_be_is_refused_in_one_sentence(arguments, sentence, capsys, folder):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert main(["encode", *arguments]) == 2
    out, err = capsys.readouterr()
    assert sentence in err and err.count("\n") == 1 and not out
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_parts_of_a_known_set_are_its_own():
    (train, test), ready = load_inputs("digits")
    assert (train.name, test.name, ready) == ("train", "test", False) and set(test.y) == set("0123456789")
    assert train.x.dtype == np.uint8 and train.x.shape[1:] == (8, 8)
    with pytest.raises(BadInput, match="Unknown data set"):
        load_inputs("didgits")


def test_features_of_names_that_are_taken_are_all_written(tmp_path):
    part = FeaturePart("", np.float32([[1, 2, 3], [4, 5, 6]]), np.array([7, 8]))
    write_features(tmp_path / "features.csv", [part], ["y", "a", "a"])
    found = pandas.read_csv(tmp_path / "features.csv")
    assert {name: list(found[name]) for name in found} == {"y_2": [1, 4], "a": [2, 5], "a_2": [3, 6], "y": [7, 8]}
