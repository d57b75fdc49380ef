import shutil
import unicodedata
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.tasks import DataSet, embedded, glyphs, shapes, silhouettes


@pytest.fixture(scope="module")
def sources():
    return embedded(8)


def test_no_digit_nor_its_likeness_is_among_the_characters(sources):
    names = sources.training[0].class_names + sources.validation[0].class_names
    assert len(names) > 250 and len(set(names)) == len(names)
    assert all(unicodedata.category(name)[0] != "N" and unicodedata.numeric(name, None) is None for name in names)
    # Latin o, l, I, the bar; Greek and Cyrillic O; Cyrillic I, Ze, Be; Greek iota; theta.
    assert not set(names) & set("0123456789OoIl|ОοοΟІЗбιΘ")


def test_characters_that_look_the_same_are_one_class(sources):
    names = set(sources.training[0].class_names + sources.validation[0].class_names)
    for alike in ("AΑА", "BΒВ", "Cc", "Ss", "Vv", "Ww", "Zz", "Xx", "HΗН", "MΜМ"):
        assert len(names & set(alike)) <= 1, alike
    assert {"A", "E", "k", "Ψ", "Ж"} <= names


def test_training_and_validation_share_no_character_and_keep_their_proportion(sources):
    training, validation = sources.training[0].class_names, sources.validation[0].class_names
    assert not set(training) & set(validation)
    assert 0.1 < len(validation) / (len(training) + len(validation)) < 0.25
    assert sources.training[1].class_names == training
    assert not set(sources.training[2].class_names) & set(sources.validation[2].class_names)


def test_the_split_does_not_depend_on_the_side(sources):
    assert set(glyphs(14).validation.class_names) == set(sources.validation[0].class_names)


def test_each_class_has_different_renderings_of_full_contrast(sources):
    training = sources.training[0]
    assert np.bincount(training.train_y).min() >= 8
    for label in range(0, training.classes, 40):
        own = training.train_x[training.train_y == label]
        assert len({image.tobytes() for image in own}) == len(own)
    assert np.median(training.train_x.max((1, 2))) > 200
    assert (training.train_x[:, [0, -1]] > 128).mean() < 0.01  # centred: nothing touches the border


def test_silhouettes_fill_hollows_and_keep_strokes(sources):
    strokes, filled = sources.training[0], silhouettes(sources.training[0])
    assert (filled.train_x >= strokes.train_x).all()
    ring = np.zeros((2, 8, 8), np.uint8)
    ring[:, 1:7, 1:7] = 200
    ring[:, 2:6, 2:6] = 0
    labels = np.array([0, 1])
    rings = silhouettes(DataSet("rings", "image", ("a", "b"), ring, labels, ring[:0], labels[:0]))
    hollow = rings.train_x[:, 2:6, 2:6]
    assert (hollow == hollow[:, :1, :1]).all() and (60 <= hollow).all() and hollow[0, 0, 0] != hollow[1, 0, 0]
    assert (rings.train_x[:, 0] == 0).all()


def test_shapes_are_the_seeds_and_vary_less_within_a_class_than_between():
    first, again, other = shapes(8, 20, 0), shapes(8, 20, 0), shapes(8, 20, 1)
    assert (first.train_x == again.train_x).all() and (first.train_x != other.train_x).any()
    x = first.train_inputs().reshape(20, -1, 64)
    within = x.var(1).sum(1).mean()
    between = x.mean(1).var(0).sum()
    assert between > within > 0.1 * between


def test_a_folder_of_fonts_takes_the_place_of_the_shipped_ones(tmp_path):
    shipped = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name in ("DejaVuSans.ttf", "DejaVuSerif.ttf", "STIXGeneral.ttf"):
        shutil.copy(shipped / name, tmp_path)
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    own = glyphs(8, tmp_path)
    assert np.bincount(own.training.train_y).max() <= 3 and own.training.classes > 100
    with pytest.raises(BadInput, match="holds 0 readable"):
        glyphs(8, tmp_path / "nothing")
    with pytest.raises(BadInput, match="between 8 and 28"):
        glyphs(4)
