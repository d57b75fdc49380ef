import jax
import jax.numpy as jnp
import pytest
from metarule.launch._programs import Programs


def test_a_program_is_compiled_once_for_equal_shapes_and_whatever_else_is_equal():
    traced = []

    def scaled(array, factor):
        traced.append(factor)
        return factor * array

    with Programs() as programs:
        two = programs.prepare(scaled, jax.ShapeDtypeStruct((3,), jnp.float32), 2)
        assert two is programs.prepare(scaled, jnp.ones(3), 2)
        assert two is not programs.prepare(scaled, jnp.ones(4), 2)
        three = programs.prepare(scaled, jnp.ones(3), 3)
        assert two.result()(jnp.ones(3), 2).tolist() == [2, 2, 2]
        assert three.result()(jnp.arange(3.0), 3).tolist() == [0, 3, 6]
    assert sorted(traced) == [2, 2, 3]


def test_what_fails_to_compile_says_so_where_it_is_used():
    def wrong(array):
        raise ValueError("no such thing")

    with Programs() as programs, pytest.raises(ValueError, match="no such thing"):
        programs.prepare(wrong, jnp.ones(3)).result()
