import io
import zipfile

import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.tasks import load, resize
from PIL import Image


def jpeg(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=95)
    return file.getvalue()


def test_jpeg_files_in_npz_are_decoded_in_order(tmp_path):
    (tmp_path / "cifar10").mkdir()
    generator = np.random.default_rng(0)
    arrays, decoded = {"class_names": np.array([f"c{i}" for i in range(10)])}, {}
    for split, many in (("train", 20), ("test", 10)):
        files = [jpeg(generator.integers(0, 256, (32, 32, 3), np.uint8)) for _ in range(many)]
        arrays[f"{split}_jpeg"] = np.frombuffer(b"".join(files), np.uint8)
        arrays[f"{split}_offsets"] = np.cumsum([0, *map(len, files)])
        arrays[f"{split}_labels"] = (np.arange(many) % 10).astype(np.uint8)
        decoded[split] = np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files])
    np.savez(tmp_path / "cifar10" / "cifar10_jpeg.npz", **arrays)
    data = load("cifar10_32", tmp_path)
    assert (data.train_x == decoded["train"]).all() and (data.test_x == decoded["test"]).all()
    assert data.train_y.tolist() == list(range(10)) * 2 and data.class_names[3] == "c3"
    small = load("cifar10_16", tmp_path)
    assert (small.test_x == resize(decoded["test"], 16)).all() and small.input_size == 768
    arrays.pop("test_offsets")
    np.savez(tmp_path / "cifar10" / "cifar10_jpeg.npz", **arrays)
    with pytest.raises(BadInput, match="cifar10_jpeg.npz can't be read"):
        load("cifar10_32", tmp_path)


def test_omniglot_counts_an_alphabet_in_both_zips_once_and_inverts_the_ink(tmp_path):
    folder = tmp_path / "omniglot_small"
    folder.mkdir()
    alphabets = {1: ("Greek", "Latin"), 2: ("Greek", "Tagalog")}
    for number, names in alphabets.items():
        root = f"images_background_small{number}"
        with zipfile.ZipFile(folder / f"{root}.zip", "w") as archive:
            for name in names:
                for drawing in range(4):
                    file = io.BytesIO()
                    paper = np.full((105, 105), 255, np.uint8)
                    paper[40:60, 10 + 20 * drawing : 30 + 20 * drawing] = 0
                    Image.fromarray(paper).convert("1").save(file, "PNG")
                    archive.writestr(f"{root}/{name}/character01/0001_{drawing:02}.png", file.getvalue())
            archive.writestr(f"__MACOSX/{root}/{names[0]}/character01/._0001_00.png", b"junk")
    data = load("omniglot28", tmp_path)
    assert data.class_names == ("Greek/character01", "Latin/character01", "Tagalog/character01")
    assert np.bincount(data.train_y).tolist() == np.bincount(data.test_y).tolist() == [2, 2, 2]
    assert data.train_x.shape[1:] == (28, 28) and data.train_x.max() == 255 and np.median(data.train_x) == 0
    whole = (folder / "images_background_small2.zip").read_bytes()
    (folder / "images_background_small2.zip").write_bytes(whole[:60] + b"junk" + whole[64:])  # Within a drawing.
    with pytest.raises(BadInput, match="small2.zip can't be read"):
        load("omniglot28", tmp_path)
    (folder / "images_background_small2.zip").write_bytes(b"junk")
    with pytest.raises(BadInput, match="small2.zip can't be read"):
        load("omniglot28", tmp_path)
