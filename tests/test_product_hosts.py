"""What processes tell each other, by threads in their place and a store in the place of JAX's."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from jax._src.distributed import global_state
from metarule.errors import BadInput
from metarule.launch.hosts._processes import Processes


class Store:
    """A store of texts whose readers wait for their writers."""

    def __init__(self):
        self.texts, self.changed = {}, threading.Condition()

    def key_value_set(self, key, value):
        with self.changed:
            self.texts[key] = value
            self.changed.notify_all()

    def blocking_key_value_get(self, key, milliseconds):
        with self.changed:
            assert self.changed.wait_for(lambda: key in self.texts, milliseconds / 1000), key
            return self.texts[key]


@pytest.fixture
def on_all(monkeypatch):
    """A function that does something on three processes at once: their results, or what each was refused with."""
    monkeypatch.setattr(global_state, "client", Store())
    processes = [Processes(index, 3, patience=20.0) for index in range(3)]

    def answer(action, process):
        try:
            return action(process)
        except BadInput as error:
            return str(error)

    def run(action):
        with ThreadPoolExecutor(3) as pool:
            return list(pool.map(lambda process: answer(action, process), processes))

    return run


def test_what_processes_have_alike_is_no_reason_to_stop_and_what_differs_is_named_on_all(on_all):
    assert on_all(lambda each: each.agree({"the seed": 1, "the code": "abc"})) == [None] * 3
    found = on_all(lambda each: each.agree({"the seed": 1 if each.index < 2 else 7, "the code": "abc"}))
    assert len(set(found)) == 1 and "Process 2 differs from process 0 in the seed: it has 7, not 1" in found[0]


def test_what_one_process_refuses_all_refuse(on_all):
    def load(process):
        if process.index == 1:
            raise BadInput("There is no such file.")
        return process.index

    assert on_all(lambda each: each.together(lambda: load(each))) == ["Process 1: There is no such file."] * 3
    assert on_all(lambda each: each.together(lambda: each.index)) == [0, 1, 2]


def test_what_is_done_once_is_done_by_the_first_and_known_to_all(on_all):
    done = []
    assert on_all(lambda each: each.once(lambda: done.append(each.index) or {"rows": [1.5]})) == [{"rows": [1.5]}] * 3
    assert done == [0]
