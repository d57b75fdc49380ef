"""No random key is used twice: neither drawn from for two things, nor both drawn from and split further."""

import functools
import traceback
from collections import defaultdict
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from metarule import meta
from metarule.meta import AbstractProblem, Length, MetaLearner
from metarule.meta.estimators import (
    AntitheticES,
    EvosaxSearch,
    ForwardMode,
    FullBackprop,
    FullES,
    GPES,
    Hybrid,
    Noise,
    NRES,
    PES,
    PESAnalytic,
    Population,
    RankShaping,
    TruncatedBackprop,
)


ROOM = str(Path(meta.__path__[0]))
PAIRS, APART = Population(2), Noise(0.1, common=False)
ESTIMATORS = {
    "tbptt": TruncatedBackprop(Population(2), 2),
    "tbptt, lengths": TruncatedBackprop(Population(2), Length(1, 2)),
    "backprop": FullBackprop(Population(2)),
    "es": AntitheticES(PAIRS, 2),
    "full-es, apart": FullES(PAIRS, APART),
    "pes, regenerated, apart": PES(PAIRS, 2, APART, regenerate=True),
    "nres, ranks": NRES(PAIRS, 2, shaping=RankShaping()),
    # In step, because particles of one task share their data: staggered, they would use it at different steps.
    "gpes, one task": GPES(Population(1, 3, stagger=False), 2, every=2),
    "pes-analytic, apart": PESAnalytic(PES(PAIRS, 2, APART)),
    "forward": ForwardMode(PAIRS, 2),
    "forward, fresh": ForwardMode(PAIRS, 2, reuse=False),
    "hybrid, apart": Hybrid(AntitheticES(PAIRS, 2, APART)),
    "evosax": EvosaxSearch(members=4, tasks=2),
}


class Ledger:
    """Notes every key that is drawn from, with what for, and every key that others are derived from."""

    def __init__(self):
        self.drawn, self.parents, self.steps = defaultdict(set), set(), defaultdict(set)

    def watch(self, monkeypatch):
        for name in ("fold_in", "split"):
            monkeypatch.setattr(jr, name, self._watched(getattr(jr, name), lambda keys, _: self.parents.update(keys)))
        for name in ("normal", "uniform", "randint", "bernoulli", "permutation", "choice", "cauchy"):
            monkeypatch.setattr(jr, name, self._watched(getattr(jr, name), self._draw))

    def _watched(self, function, note):
        @functools.wraps(function)
        def watched(key, *args, **kwargs):
            # What a draw is for: the problem's own line, or else the two innermost lines of the package.
            lines = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_stack()[:-1]]
            lines = [line for line in lines if line.startswith((ROOM, __file__))]
            place = tuple(lines[-1:] if lines[-1].startswith(__file__) else lines[-2:])
            jax.debug.callback(lambda data: note(keys_of(data), place), jr.key_data(key))
            return function(key, *args, **kwargs)

        return watched

    def _draw(self, keys, place):
        for key in keys:
            self.drawn[key].add(place)

    def step(self, key, begin, time):
        """Notes which step of which unroll a key is for."""

        def note(key, begin, time):
            for one, *place in zip(keys_of(key), keys_of(begin), np.ravel(time).tolist()):
                self.steps[one].add(tuple(place))

        jax.debug.callback(note, jr.key_data(key), begin, time)


def keys_of(data):
    return [tuple(key) for key in np.reshape(data, (-1, 2)).tolist()]


SLOW = ("tbptt", "backprop", "es", "full-es, apart", "gpes, one task", "forward, fresh")  # Others derive keys alike.


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in ESTIMATORS])
def test_no_key_is_used_twice(name, monkeypatch):
    ledger = Ledger()
    ledger.watch(monkeypatch)

    class Watched(AbstractProblem):
        horizon: Length

        def init(self, theta, key):
            return jr.normal(key), jr.key_data(key), jnp.zeros((), int)

        def step(self, theta, state, key):
            x, begin, time = state
            ledger.step(key, begin, time)
            x = 0.5 * x + theta.sum() + jr.normal(key)
            return (x, begin, time + 1), x**2

    horizon = Length(3, 4) if "lengths" in name else Length(4)
    learner = MetaLearner((Watched(horizon),), ESTIMATORS[name], optax.sgd(0.01))
    state = learner.init(jnp.ones(2), jr.key(1))
    for _ in range(5):  # Two unrolls and more, in windows of half an unroll.
        state, _ = learner.step(state, jr.key(2))
    jax.effects_barrier()
    assert len(ledger.steps) >= 5 * 2 and len(ledger.drawn) > len(ledger.steps)
    assert not ledger.drawn.keys() & ledger.parents
    assert all(len(purposes) == 1 for purposes in ledger.drawn.values())
    assert all(len(places) == 1 for places in ledger.steps.values())
