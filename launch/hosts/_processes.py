import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any, final, TypeVar

from ...errors import BadInput


_Result = TypeVar("_Result")

_LONG = 7 * 24 * 3600.0  # seconds: as long as process 0 may need for an action that all wait for


@final
class Processes:
    """The processes of one run, and how they exchange short texts.

    Texts travel through the key-value store of JAX's distributed runtime; arrays travel by collectives, not here. All
    processes must call the same methods in the same order. With one process every method acts on that process alone.
    `patience` is the number of seconds to wait for the others.
    """

    def __init__(self, index: int = 0, count: int = 1, patience: float = 300.0):
        self.index, self.count = index, count
        self._patience = patience
        self._numbers = itertools.count()

    @property
    def first(self) -> bool:
        """Whether this is process 0, which writes the run's files and prints."""
        return self.index == 0

    def all_reduce(self, text: str, reduce: Callable[[list[str]], str], patience: float | None = None) -> str:
        """Process 0 reduces the texts of all processes, in their order, to one; returns that on every process."""
        if self.count == 1:
            return reduce([text])
        from jax._src.distributed import global_state  # JAX has no public name for this store.

        store, milliseconds = global_state.client, round(1000 * (patience or self._patience))
        assert store is not None
        prefix = f"metarule/{next(self._numbers)}"  # One per call: keys in the store can't be overwritten.
        if self.first:
            others = range(1, self.count)
            texts = [text, *(store.blocking_key_value_get(f"{prefix}/{index}", milliseconds) for index in others)]
            store.key_value_set(f"{prefix}/result", reduce(texts))
        else:
            store.key_value_set(f"{prefix}/{self.index}", text)
        return store.blocking_key_value_get(f"{prefix}/result", milliseconds)

    def together(self, action: Callable[[], _Result]) -> _Result:
        """Runs an action on every process and returns this process's result.

        Raises `BadInput` on all processes if the action raises it on one; the message names that process.
        """
        result, error_text = None, ""
        try:
            result = action()
        except BadInput as error:
            error_text = str(error)
        first_error = self.all_reduce(error_text, _first_error)
        if first_error:
            raise BadInput(first_error)
        return result  # type: ignore[return-value]

    def once(self, action: Callable[[], Any]) -> Any:
        """Runs an action on process 0 only and returns its result, which must be JSON, on all processes.

        Raises `BadInput` on all processes if the action raises it. The others wait without a time limit.
        """
        text = ""
        if self.first:
            try:
                text = json.dumps([action(), None])
            except BadInput as error:
                text = json.dumps([None, str(error)])
        result, error_text = json.loads(self.all_reduce(text, lambda texts: texts[0], _LONG))
        if error_text is not None:
            raise BadInput(error_text)
        return result

    def agree(self, facts: Mapping[str, Any]) -> None:
        """Raises `BadInput` on all processes unless these facts, which must be JSON, are equal on all of them.

        The message names the first process that differs from process 0, and the first fact.
        """
        difference = self.all_reduce(json.dumps(dict(facts)), _difference)
        if difference:
            raise BadInput(difference)


def process_index_and_count() -> tuple[int, int]:
    """Returns this process's index and the number of processes, once JAX's distributed runtime is initialised."""
    # `jax.process_index` would initialise the devices, too early.
    from jax._src.distributed import global_state

    return global_state.process_id, global_state.num_processes


def _first_error(texts: list[str]) -> str:
    errors = [(index, text) for index, text in enumerate(texts) if text]
    if not errors:
        return ""
    index, text = errors[0]
    return text if len(texts) == 1 or len(errors) == len(texts) else f"Process {index}: {text}"


def _difference(texts: list[str]) -> str:
    expected, *others = map(json.loads, texts)
    for index, facts in enumerate(others, 1):
        for name in expected | facts:
            if facts.get(name) != expected.get(name):
                return (
                    f"Process {index} differs from process 0 in {name}: it has {json.dumps(facts.get(name))}, not "
                    f"{json.dumps(expected.get(name))}; start all processes alike."
                )
    return ""
