import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.tasks import as_inputs, DataSet, few_shot_indices, from_arrays, known, load, resize
from PIL import Image


def test_digits_are_scikit_learns_in_two_disjoint_stratified_splits():
    from sklearn.datasets import load_digits

    digits = load("digits")
    ours = np.concatenate([digits.train_x, digits.test_x]).reshape(-1, 64)
    theirs = np.rint(np.asarray(load_digits(return_X_y=True)[0]) * 255 / 16).astype(np.uint8)
    assert sorted(map(bytes, ours)) == sorted(map(bytes, theirs))
    shares = np.bincount(digits.train_y) / (np.bincount(digits.train_y) + np.bincount(digits.test_y))
    np.testing.assert_allclose(shares, 0.6, atol=0.01)
    assert load("digits14").train_x.shape[1:] == (14, 14)
    inputs = digits.train_inputs()
    assert inputs.dtype == np.float32 and inputs.min() == 0 and inputs.max() == 1


@pytest.mark.parametrize("side", [4, 7, 14])
@pytest.mark.parametrize("colours", [(), (3,)])
def test_shrinking_takes_the_mean_over_each_area_as_pillow_does(side, colours):
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28, *colours), np.uint8)
    oracle = np.stack([np.asarray(Image.fromarray(i).resize((side, side), Image.Resampling.BOX)) for i in images])
    assert np.abs(resize(images, side).astype(int) - oracle).max() <= 1
    if side == 14 and not colours:
        means = images.reshape(5, 14, 2, 14, 2).mean((2, 4))
        assert np.abs(resize(images, side) - means).max() <= 0.5


def test_growing_is_bilinear_as_pillows():
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8), np.uint8)
    oracle = np.stack([np.asarray(Image.fromarray(i).resize((14, 14), Image.Resampling.BILINEAR)) for i in images])
    assert np.abs(resize(images, 14).astype(int) - oracle).max() <= 1


def write_idx(path, array):
    header = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


def fake_mnist(folder):
    generator = np.random.default_rng(0)
    (folder / "mnist").mkdir()
    arrays = {}
    for stem, many in (("train", 30), ("t10k", 20)):
        arrays[stem] = generator.integers(0, 256, (many, 28, 28), np.uint8), np.arange(many, dtype=np.uint8) % 10
        write_idx(folder / "mnist" / f"{stem}-images-idx3-ubyte.gz", arrays[stem][0])
        write_idx(folder / "mnist" / f"{stem}-labels-idx1-ubyte.gz", arrays[stem][1])
    return arrays


def test_idx_files_are_read_and_resized(tmp_path):
    arrays = fake_mnist(tmp_path)
    mnist = load("mnist28", tmp_path)
    assert (mnist.train_x == arrays["train"][0]).all() and (mnist.test_y == arrays["t10k"][1]).all()
    assert (load("mnist14", tmp_path).test_x == resize(arrays["t10k"][0], 14)).all()
    lines = {line.name: line for line in known(tmp_path)}
    assert lines["mnist14"].present and lines["digits"].present and not lines["fashion_mnist14"].present
    assert lines["fashion_mnist14"].where[0] == tmp_path / "fashion_mnist" / "train-images-idx3-ubyte.gz"


def test_a_truncated_idx_file_is_named(tmp_path):
    fake_mnist(tmp_path)
    path = tmp_path / "mnist" / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(BadInput, match="t10k-images.*fetch the file again"):
        load("mnist28", tmp_path)


def test_an_unknown_name_gets_a_similar_one_and_a_missing_file_its_place(tmp_path, monkeypatch):
    with pytest.raises(BadInput, match="Unknown data set 'mnits14'; did you mean mnist14. `metarule data list`"):
        load("mnits14", tmp_path)
    with pytest.raises(BadInput, match="mnist/train-images-idx3-ubyte.gz"):
        load("mnist14", tmp_path)
    monkeypatch.delenv("METARULE_DATA", raising=False)
    with pytest.raises(BadInput, match="--data-dir or METARULE_DATA"):
        load("mnist14")
    monkeypatch.setenv("METARULE_DATA", str(tmp_path))
    fake_mnist(tmp_path)
    assert load("mnist14").name == "mnist14"


def save(path, **arrays):
    np.savez(path, **arrays)
    return str(path)


def test_npz_with_both_splits_keeps_them_and_without_one_sets_a_fifth_of_each_class_aside(tmp_path):
    x = np.random.default_rng(0).random((40, 6, 6)).astype(np.float32)
    y = np.array(["cat", "dog"])[np.arange(40) % 2]
    both = load(save(tmp_path / "a.npz", train_x=x[:30], train_y=y[:30], test_x=x[30:], test_y=y[30:]))
    assert both.kind == "image" and both.class_names == ("cat", "dog") and len(both.test_x) == 10
    np.testing.assert_allclose(both.train_inputs(), x[:30].reshape(30, -1), atol=0.5 / 255)
    one = load(save(tmp_path / "b.npz", x=x, y=y))
    assert (np.bincount(one.test_y) == 4).all() and len(one.train_x) == 32
    assert (load(str(tmp_path / "b.npz")).test_x == one.test_x).all()


def test_vector_columns_are_standardised_by_the_train_split_and_constant_ones_become_zero():
    generator = np.random.default_rng(0)
    train = generator.normal(5, 3, (50, 3))
    train[:, 2] = 7.0
    test = generator.normal(5, 3, (9, 3))
    data = from_arrays("t", (train, np.arange(50) % 2), (test, np.arange(9) % 2))
    np.testing.assert_allclose(data.train_x[:, :2].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(data.train_x[:, :2].std(0), 1, atol=1e-5)
    expected = (test[:, :2] - train[:, :2].mean(0)) / train[:, :2].std(0)
    np.testing.assert_allclose(data.test_x[:, :2], expected, rtol=1e-5, atol=1e-6)
    assert (data.train_x[:, 2] == 0).all() and (data.test_x[:, 2] == 0).all()


IMAGES, LABELS = np.zeros((4, 5, 5), np.uint8), np.array([0, 1, 0, 1])
BAD = {
    "hold infinity": ((np.full((4, 3), np.inf), LABELS), None),
    "NaN or infinity": ((np.full((4, 3, 3), np.nan), LABELS), None),
    "has no labels": ((np.zeros((4, 3)), np.full(4, np.nan)), None),
    "one label for each example": ((IMAGES, LABELS[:3]), None),
    "at least two": ((IMAGES, np.zeros(4, int)), None),
    "differ in size": ((np.array([np.zeros(2), np.zeros(3)], object), LABELS[:2]), None),
    "not numbers": ((np.array([["a", "b"]] * 4), LABELS), None),
    "complex128, not numbers": ((np.ones((4, 3), complex), LABELS), None),
    "at least one example": ((np.zeros((4, 0)), LABELS), None),
    "not square": ((np.zeros((4, 5, 6), np.uint8), LABELS), None),
    "pixels from -1": ((np.full((4, 5, 5), -1.0), LABELS), None),
    "test labels 7 do not occur": ((IMAGES, LABELS), (IMAGES, np.array([0, 1, 0, 7]))),
    "but test examples": ((IMAGES, LABELS), (np.zeros((4, 6, 6), np.uint8), LABELS)),
}


@pytest.mark.parametrize("sentence", BAD)
def test_bad_arrays_get_one_sentence(sentence):
    with pytest.raises(BadInput, match=sentence) as caught:
        from_arrays("mine", *BAD[sentence])
    assert "\n" not in str(caught.value)


def test_a_class_with_too_few_examples_is_named():
    data = from_arrays("mine", (IMAGES, np.array([0, 0, 0, 1])), (IMAGES, LABELS))
    with pytest.raises(BadInput, match="class '1' has 1 train examples, fewer than the 2"):
        few_shot_indices(data, 0, 2, 4)


def test_npz_that_holds_code_or_other_names_is_refused(tmp_path):
    class Surprise:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    with pytest.raises(BadInput, match="can't be read as .npz"):
        load(save(tmp_path / "code.npz", x=np.array([Surprise()], object), y=np.zeros(1)))
    assert not (tmp_path / "executed").exists()
    mixed = np.array([np.zeros((3, 3)), np.zeros((4, 4))], object)
    with pytest.raises(BadInput, match="save plain arrays with numpy.savez, all examples of one size"):
        load(save(tmp_path / "mixed.npz", x=mixed, y=np.arange(2)))
    with pytest.raises(BadInput, match="holds seen, said; name the inputs x"):
        load(save(tmp_path / "names.npz", seen=np.zeros((4, 2)), said=LABELS))
    with pytest.raises(BadInput, match="There is no file"):
        load(str(tmp_path / "missing.npz"))
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(BadInput, match="can't be read"):
        load(str(tmp_path / "text.npz"))


def test_a_data_set_with_labels_out_of_range_is_refused():
    with pytest.raises(BadInput, match="outside its 2 classes"):
        DataSet("d", "image", ("a", "b"), IMAGES, np.array([0, 1, 2, 1]), IMAGES[:0], LABELS[:0])


@pytest.mark.skipif(not os.environ.get("METARULE_DATA"), reason="METARULE_DATA names no folder of real data")
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_the_original_files_hold_what_they_are_known_for(name):
    if not (Path(os.environ["METARULE_DATA"]) / name).is_dir():
        pytest.skip(f"METARULE_DATA holds no {name}")
    data = load(f"{name}28")
    assert data.train_x.shape == (60000, 28, 28) and data.test_x.shape == (10000, 28, 28)
    mean = {"mnist": 0.1307, "fashion_mnist": 0.2860}[name]
    assert abs(as_inputs(data.train_x).mean() - mean) < 1e-4
