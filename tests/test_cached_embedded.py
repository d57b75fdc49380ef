"""Embedded data are drawn once and then read from the disk cache, unless they could differ."""

import dataclasses

import jax
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.launch.caches import _embedded, _store
from metarule.launch.caches._embedded import cached_embedded
from metarule.tasks import embedded


@pytest.fixture
def drawn_sides(monkeypatch):
    """The sides of all that was drawn, in order."""
    sides = []
    monkeypatch.setattr(_embedded, "embedded", lambda side: sides.append(side) or embedded(side))
    return sides


def same(one, other):
    assert (len(one.training), len(one.validation)) == (len(other.training), len(other.validation))
    for mine, yours in zip([*one.training, *one.validation], [*other.training, *other.validation]):
        for field in dataclasses.fields(mine):
            left, right = getattr(mine, field.name), getattr(yours, field.name)
            assert type(left) is type(right)
            np.testing.assert_array_equal(left, right)
            assert not isinstance(left, np.ndarray) or left.dtype == right.dtype
    return True


def test_a_second_start_reads_the_same_data(compilations, drawn_sides):
    first, second = cached_embedded(8), cached_embedded(8)
    assert drawn_sides == [8] and same(first, second) and same(second, embedded(8))
    cached_embedded(9)
    assert drawn_sides == [8, 9]


@pytest.mark.parametrize(
    "harm", [lambda b: b[:-1], lambda b: b[:1000] + bytes([b[1000] ^ 1]) + b[1001:], lambda b: b""]
)
def test_a_damaged_file_is_drawn_again(compilations, drawn_sides, harm):
    cached_embedded(8)
    (file,) = compilations.iterdir()
    whole = file.read_bytes()
    file.write_bytes(harm(whole))
    assert same(cached_embedded(8), embedded(8)) and drawn_sides == [8, 8] and file.read_bytes() == whole


def test_other_code_draws_for_itself(compilations, drawn_sides, monkeypatch):
    cached_embedded(8)
    monkeypatch.setattr(_embedded, "code_digest", lambda: "other")
    cached_embedded(8)
    assert drawn_sides == [8, 8] and len(list(compilations.iterdir())) == 2


def test_without_a_cache_it_draws_each_time(compilations, drawn_sides, monkeypatch):
    (compilations / "not_a_folder").write_text("")
    for place in (None, str(compilations / "absent"), str(compilations / "not_a_folder")):
        jax.config.update("jax_compilation_cache_dir", place)
        assert same(cached_embedded(8), embedded(8))
    jax.config.update("jax_compilation_cache_dir", str(compilations))

    def refuse(path, content):
        raise BadInput(f"Can't write {path}.")

    monkeypatch.setattr(_store, "write_atomically", refuse)
    assert same(cached_embedded(8), embedded(8)) and drawn_sides == [8] * 4
