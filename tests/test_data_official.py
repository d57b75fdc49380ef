"""Data sets in the files that their authors give: unpacked or not, what is read is the same."""

import gzip
import io
import tarfile

import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.tasks import known, load
from metarule.tasks.data._pictures import decode, read_folder
from PIL import Image


RANDOM = np.random.default_rng(0)


def pack(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def unpack(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def idx(array):
    return b"\0\0\x08" + bytes([array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def test_mnist_is_read_unpacked(tmp_path):
    images, labels = RANDOM.integers(0, 256, (10, 28, 28), np.uint8), np.arange(10, dtype=np.uint8)
    for split in ("train", "t10k"):
        files = {f"{split}-images-idx3-ubyte": idx(images), f"{split}-labels-idx1-ubyte": idx(labels)}
        unpack(tmp_path / "plain" / "mnist", files)
        unpack(tmp_path / "packed" / "mnist", {f"{name}.gz": gzip.compress(raw) for name, raw in files.items()})
    for form in ("plain", "packed"):
        data = load("mnist28", tmp_path / form)
        np.testing.assert_array_equal(data.test_x, images)
        assert {line.name: line.present for line in known(tmp_path / form)}["mnist14"]
    (tmp_path / "plain" / "mnist" / "t10k-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x0a\1")
    with pytest.raises(BadInput, match="t10k-labels-idx1-ubyte can't be read as idx"):
        load("mnist28", tmp_path / "plain")


@pytest.mark.parametrize("form", ["archive", "folder"])
def test_cifar_10_is_read_from_its_binary_version(tmp_path, form):
    images = RANDOM.integers(0, 256, (60, 32, 32, 3), np.uint8)
    labels = np.arange(60, dtype=np.uint8) % 10
    records = [bytes([label]) + np.moveaxis(image, 2, 0).tobytes() for image, label in zip(images, labels)]
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    files = {f"cifar-10-batches-bin/{name}": b"".join(records[10 * i : 10 * i + 10]) for i, name in enumerate(names)}
    if form == "archive":
        pack(tmp_path / "cifar10" / "cifar-10-binary.tar.gz", files)
    else:
        unpack(tmp_path / "cifar10", files)
    data = load("cifar10_32", tmp_path)
    np.testing.assert_array_equal(np.concatenate([data.train_x, data.test_x]), images)
    assert data.train_y.tolist() == labels[:50].tolist() and data.class_names[3] == "cat"
    place = tmp_path / "cifar10" / ("cifar-10-binary.tar.gz" if form == "archive" else next(iter(files)))
    place.write_bytes(place.read_bytes()[:2000])
    with pytest.raises(BadInput, match="can't be read as CIFAR-10's binary version"):
        load("cifar10_16", tmp_path)


@pytest.mark.parametrize("form", ["archive", "folder"])
def test_reviews_are_read_as_their_authors_give_them(tmp_path, form):
    texts = {
        ("train", "neg"): "dull film",
        ("train", "pos"): "fine film",
        ("test", "neg"): "dull",
        ("test", "pos"): "fine",
    }
    files = {
        f"aclImdb/{split}/{label}/{number}_7.txt": text.encode()
        for (split, label), text in texts.items()
        for number in range(3)
    }
    files |= {
        "aclImdb/README": b"reviews",
        "aclImdb/train/unsup/0_0.txt": b"strange",
        "aclImdb/train/urls_neg.txt": b"url",
    }
    if form == "archive":
        pack(tmp_path / "imdb" / "aclImdb_v1.tar.gz", files)
    else:
        unpack(tmp_path / "imdb", files)
    data = load("imdb", tmp_path)
    assert data.class_names == ("negative", "positive") and data.kind == "text"
    assert data.train_y.tolist() == data.test_y.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(data.train_x, [[1, 0, -1]] * 3 + [[-1, 0, 1]] * 3)  # dull, film, fine
    np.testing.assert_array_equal(data.test_x, [[1, 0, -1]] * 3 + [[-1, 0, 1]] * 3)


def test_a_folder_of_images_is_grey_if_all_are_and_of_one_size(tmp_path):
    for name, shape in (("cat", (8, 8)), ("dog", (12, 16))):
        for number in range(4):
            (tmp_path / name).mkdir(exist_ok=True)
            pixels = np.full(shape, 60 * number, np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    with pytest.raises(BadInput, match="mixed sizes; name one size, as in .*@32"):
        load(str(tmp_path))
    data = load(f"{tmp_path}@4")
    assert data.class_names == ("cat", "dog") and data.train_x.shape == (6, 4, 4) and len(data.test_y) == 2
    assert sorted({*data.train_x[:, 0, 0], *data.test_x[:, 0, 0]}) == [0, 60, 120, 180]
    Image.fromarray(np.full((9, 9), 257 * 100, np.uint16)).save(tmp_path / "dog" / "deep.png")
    Image.fromarray(np.full((9, 9, 3), 7, np.uint8)).save(tmp_path / "dog" / "coloured.png")
    data = load(f"{tmp_path}@4")
    assert data.train_x.shape[1:] == (4, 4, 3)
    assert {100, 7} <= {*data.train_x[:, 0, 0, 0].tolist(), *data.test_x[:, 0, 0, 0].tolist()}
    (tmp_path / "dog" / "text.png").write_text("no image")
    with pytest.raises(BadInput, match="text.png can't be read as an image"):
        load(f"{tmp_path}@4")


def test_a_folder_keeps_its_own_split(tmp_path):
    for split, many in (("train", 3), ("val", 2)):
        for name in ("cat", "dog"):
            for number in range(many):
                (tmp_path / split / name).mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((4, 4), 9 * number, np.uint8)).save(tmp_path / split / name / f"{number}.png")
    data = load(str(tmp_path))
    assert len(data.train_y) == 6 and len(data.test_y) == 4
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="holds no images"):
        load(str(tmp_path / "empty"))


def test_a_class_may_be_called_train(tmp_path):
    def draw(*places):
        for place in places:
            (tmp_path / place).mkdir(parents=True)
            Image.fromarray(np.full((4, 4), 9, np.uint8)).save(tmp_path / place / "0.png")

    draw("a/train", "a/car", "b/train", "c/train/car", "c/train/bus", "c/extra")
    assert list(read_folder(tmp_path / "a")[0].y) == ["car", "train"]
    assert read_folder(tmp_path / "b")[0].y is None
    assert list(read_folder(tmp_path / "c")[0].y) == ["bus", "car"]


def test_images_are_turned_and_put_on_white(tmp_path):
    ink = np.zeros((4, 4, 4), np.uint8)
    ink[0, :, 3] = 255  # Black, opaque in the first row alone.
    Image.fromarray(ink).save(tmp_path / "0.png")
    Image.fromarray(ink[..., [0, 3]]).save(tmp_path / "1.png")
    turned = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # To be turned clockwise by a quarter.
    turned.save(tmp_path / "2.png", exif=exif)
    x = decode("these", sorted(tmp_path.iterdir()), None)
    on_white = np.where(np.arange(4)[:, None] == 0, 0, 255).repeat(4, 1)
    np.testing.assert_array_equal(x[0], on_white[..., None].repeat(3, 2))
    np.testing.assert_array_equal(x[1, ..., 0], on_white)
    np.testing.assert_array_equal(x[2, ..., 0], np.rot90(np.arange(16).reshape(4, 4), -1))


@pytest.mark.parametrize(
    "pixels, expected",
    [
        (np.float32([[0, 0.5], [1, 1]]), [[0, 128], [255, 255]]),
        (np.int32([[0, 128], [255, 255]]), [[0, 128], [255, 255]]),
        (np.uint16([[0, 257], [65535, 65535]]), [[0, 1], [255, 255]]),
    ],
)
def test_images_of_many_bits_become_bytes(pixels, expected, tmp_path):
    Image.fromarray(pixels).save(tmp_path / "0.tiff")
    np.testing.assert_array_equal(decode("it", [tmp_path / "0.tiff"], None)[0], expected)


def test_damaged_images_and_pixels_of_no_known_scale_are_refused(tmp_path):
    (tmp_path / "0.ppm").write_bytes(b"P6\n-3 x\n255\n")
    Image.fromarray(np.float32([[-5, 3000]])).save(tmp_path / "1.tiff")
    with pytest.raises(BadInput, match="0.ppm can't be read as an image"):
        decode("it", [tmp_path / "0.ppm"], None)
    with pytest.raises(BadInput, match="has pixels from -5 to 3000"):
        decode("it", [tmp_path / "1.tiff"], None)
