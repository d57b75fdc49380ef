import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any, final, TypeVar

from ...errors import BadInput


_Result = TypeVar("_Result")

_LONG = 7 * 24 * 3600.0


@final
class Processes:
    """The processes of one run, and what they tell each other: process 0 hears all, and all hear what it concludes.

    Short texts only, by the store that JAX's runtime keeps for its own; numbers travel by collectives. All processes
    call the same methods in the same order. Of one process, everything is as if it were alone.
    """

    def __init__(self, index: int = 0, count: int = 1, patience: float = 300.0):
        self.index, self.count = index, count
        self._patience = patience
        self._numbers = itertools.count()

    @property
    def first(self) -> bool:
        """Whether this one writes files and speaks."""
        return self.index == 0

    def conclude(self, said: str, judge: Callable[[list[str]], str], patience: float | None = None) -> str:
        """Every process says something; what process 0 makes of it, all are given."""
        if self.count == 1:
            return judge([said])
        from jax._src.distributed import global_state  # There is no public way to this store.

        store, milliseconds = global_state.client, round(1000 * (patience or self._patience))
        assert store is not None
        place = f"metarule/{next(self._numbers)}"
        if self.first:
            others = range(1, self.count)
            heard = [said, *(store.blocking_key_value_get(f"{place}/{index}", milliseconds) for index in others)]
            store.key_value_set(f"{place}/verdict", judge(heard))
        else:
            store.key_value_set(f"{place}/{self.index}", said)
        return store.blocking_key_value_get(f"{place}/verdict", milliseconds)

    def together(self, action: Callable[[], _Result]) -> _Result:
        """Every process does the same. Raises `BadInput` on all if it is raised on one, saying on which."""
        result, refused = None, ""
        try:
            result = action()
        except BadInput as error:
            refused = str(error)
        verdict = self.conclude(refused, _refusal)
        if verdict:
            raise BadInput(verdict)
        return result  # type: ignore[return-value]

    def once(self, action: Callable[[], Any]) -> Any:
        """Process 0 alone does something, for as long as it takes: its result (JSON) or its `BadInput`, on all."""
        said = ""
        if self.first:
            try:
                said = json.dumps([action(), None])
            except BadInput as error:
                said = json.dumps([None, str(error)])
        result, refused = json.loads(self.conclude(said, lambda heard: heard[0], _LONG))
        if refused is not None:
            raise BadInput(refused)
        return result

    def agree(self, facts: Mapping[str, Any]) -> None:
        """Raises `BadInput` on all processes if one of them has other facts, naming it and the first difference."""
        verdict = self.conclude(json.dumps(dict(facts)), _difference)
        if verdict:
            raise BadInput(verdict)


def place() -> tuple[int, int]:
    """Which process this is, and of how many; JAX has met the others but not yet looked for devices."""
    from jax._src.distributed import global_state

    return global_state.process_id, global_state.num_processes


def _refusal(heard: list[str]) -> str:
    refused = [(index, sentence) for index, sentence in enumerate(heard) if sentence]
    if not refused:
        return ""
    index, sentence = refused[0]
    return sentence if len(heard) == 1 or len(refused) == len(heard) else f"Process {index}: {sentence}"


def _difference(heard: list[str]) -> str:
    expected, *others = map(json.loads, heard)
    for index, facts in enumerate(others, 1):
        for name in expected | facts:
            if facts.get(name) != expected.get(name):
                return (
                    f"Process {index} differs from process 0 in {name}: it has {json.dumps(facts.get(name))}, not "
                    f"{json.dumps(expected.get(name))}; start all processes alike."
                )
    return ""
