"""Embedded data are drawn once and then read, unless they could be others."""

import dataclasses

import jax
import numpy as np
import pytest
from metarule.launch import _drawn, _kept
from metarule.tasks import BadInput, embedded


@pytest.fixture
def times(monkeypatch):
    """How often something was drawn."""
    found = []
    monkeypatch.setattr(_drawn, "embedded", lambda side: found.append(side) or embedded(side))
    return found


def same(one, other):
    assert (len(one.training), len(one.validation)) == (len(other.training), len(other.validation))
    for mine, yours in zip([*one.training, *one.validation], [*other.training, *other.validation]):
        for field in dataclasses.fields(mine):
            left, right = getattr(mine, field.name), getattr(yours, field.name)
            assert type(left) is type(right)
            np.testing.assert_array_equal(left, right)
            if isinstance(left, np.ndarray):
                assert left.dtype == right.dtype
            else:
                assert left == right
    return True


def test_what_was_drawn_is_read(compilations, times):
    first, second = _drawn.drawn(8), _drawn.drawn(8)
    assert times == [8] and same(first, second) and same(second, embedded(8))
    _drawn.drawn(9)
    assert times == [8, 9]


@pytest.mark.parametrize(
    "harm", [lambda b: b[:-1], lambda b: b[:1000] + bytes([b[1000] ^ 1]) + b[1001:], lambda b: b""]
)
def test_a_damaged_file_is_drawn_again(compilations, times, harm):
    _drawn.drawn(8)
    (file,) = compilations.iterdir()
    whole = file.read_bytes()
    file.write_bytes(harm(whole))
    assert same(_drawn.drawn(8), embedded(8)) and times == [8, 8] and file.read_bytes() == whole


def test_other_code_draws_for_itself(compilations, times, monkeypatch):
    _drawn.drawn(8)
    monkeypatch.setattr(_drawn, "code", lambda: "other")
    _drawn.drawn(8)
    assert times == [8, 8] and len(list(compilations.iterdir())) == 2


def test_without_room_it_draws_each_time(compilations, times, monkeypatch):
    (compilations / "not_a_folder").write_text("")
    for place in (None, str(compilations / "absent"), str(compilations / "not_a_folder")):
        jax.config.update("jax_compilation_cache_dir", place)
        assert same(_drawn.drawn(8), embedded(8))
    jax.config.update("jax_compilation_cache_dir", str(compilations))
    monkeypatch.setattr(_kept, "write_atomically", refuse)
    assert same(_drawn.drawn(8), embedded(8)) and times == [8] * 4


def refuse(path, content):
    raise BadInput(f"Can't write {path}.")
