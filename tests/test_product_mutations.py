"""The list of mutations fits the package and the tests as they are; `python tests/mutations.py` applies them."""

import sys
from pathlib import Path

import pytest


TESTS = Path(__file__).parent


@pytest.fixture
def mutations(monkeypatch):
    monkeypatch.syspath_prepend(TESTS)
    yield __import__("mutations")
    del sys.modules["mutations"]


def test_each_has_one_place_and_tests_that_exist(mutations):
    for mutation in mutations.read([]):
        assert mutations.place(mutation), f"{mutation.name}: the package does not hold its old text exactly once"
        assert mutation.new != mutation.old and mutation.tests, mutation.name
        for test in mutation.tests:
            file, _, name = test.partition("::")
            assert f"def {name.partition('[')[0]}(" in (TESTS / file).read_text(), f"{mutation.name}: no test {test}"


def test_every_room_has_some(mutations):
    rooms = {str(mutations.place(mutation)).split("/")[0] for mutation in mutations.read([])}
    assert rooms >= {"models", "tasks", "rules", "meta", "launch"}


def test_a_text_that_stands_twice_or_nowhere_has_no_place(mutations):
    (mutation,) = mutations.read(["first-rule-stays"])
    for text in ("import jax\n", "no such line in all of the package"):
        assert mutations.place(mutations.dataclasses.replace(mutation, old=text)) is None
    with pytest.raises(SystemExit, match="There is no mutation 'nothing'; the known ones are"):
        mutations.read(["nothing"])
