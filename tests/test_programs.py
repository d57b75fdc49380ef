import os
import time

import jax
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


def test_only_one_program_at_a_time_runs(monkeypatch):
    """Else its seconds would be those of its neighbours."""
    running, most = [], []
    original = jax.block_until_ready

    def watched(result):
        running.append(result)
        most.append(len(running))
        time.sleep(0.05)  # Long enough that another one would begin, if it could.
        running.pop()
        return original(result)

    monkeypatch.setattr(jax, "block_until_ready", watched)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    with Programs() as programs:
        begun = [programs.begin(programs.run, lambda x: x @ x, scale * jnp.eye(3)) for scale in (1, 2, 3)]
        assert [float(each.result()[0].sum()) for each in begun] == [3, 12, 27]
    assert max(most) == 1


def test_seconds_of_host_work_begin_when_its_turn_comes():
    with Programs() as programs:
        begun = [programs.begin(programs.timed, lambda: time.sleep(0.2)) for _ in range(3)]
        assert all(0.1 < each.result()[1] < 0.35 for each in begun)


def test_ctrl_c_waits_for_nothing():
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), Programs() as programs:
        programs.begin(time.sleep, 3)
        raise KeyboardInterrupt
    assert time.monotonic() - begun < 2
