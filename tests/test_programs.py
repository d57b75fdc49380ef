import time

import jax.numpy as jnp
import pytest
from metarule.launch.evaluation._programs import Programs


def test_a_program_is_compiled_once_for_equal_shapes_and_whatever_else_is_equal():
    traced = []

    def scaled(array, factor):
        traced.append((array.shape, factor))
        time.sleep(0.05)  # Long enough that others ask while it is being compiled.
        return factor * array

    asked = [(jnp.ones(3), 2), (jnp.arange(3.0), 2), (jnp.ones(4), 2), (jnp.ones(3), 3), (jnp.ones(3), 2)]
    with Programs() as programs:
        begun = [programs.begin(programs.run, scaled, *arguments) for arguments in asked]
        results = [each.result()[0].tolist() for each in begun]
    assert results == [[2] * 3, [0, 2, 4], [2] * 4, [3] * 3, [2] * 3]
    assert sorted(traced) == [((3,), 2), ((3,), 3), ((4,), 2)]


def test_seconds_are_those_of_running():
    def slow_to_compile(array):
        time.sleep(0.5)
        return array

    with Programs() as programs:
        _, seconds = programs.run(slow_to_compile, jnp.ones(3))
    assert 0 < seconds < 0.4


def test_what_fails_to_compile_says_so_to_all_who_wait_for_it():
    def wrong(array):
        raise ValueError("no such thing")

    with Programs() as programs:
        for each in [programs.begin(programs.run, wrong, jnp.ones(3)) for _ in range(3)]:
            with pytest.raises(ValueError, match="no such thing"):
                each.result()
