from collections.abc import Callable, Iterable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Float32, PRNGKeyArray

from ...errors import BadInput
from ...models import AbstractArchitecture, Form, freeze, Model, unlabelled
from ...rules import AbstractRule
from ..encoders._encoder import evenly_spaced, images_of, most_of, spread
from ..encoders._trained_rule import TrainedRule
from ._learned import Learned


Draw = Callable[[Any], Float32[np.ndarray, "row input"]]
"""Prepared examples, by the numbers of their rows."""


_AT_ONCE = 2**24
"""Numbers that are prepared at once, about: preparing takes several times the memory of what is made."""


@final
class Learner:
    """A base model on its way, as arrays of NumPy, and some of the examples that it was trained on.

    Statistics and views are made of these. The rule is given anew each time: a learner is kept with an encoder, which
    knows the rule by its name.
    """

    def __init__(self, use: TrainedRule, shape: tuple[int, ...], random: np.random.RandomState):
        self._shape, self._inputs = shape, int(np.prod(shape))
        self._random = random
        self._order = np.arange(self._inputs) if use.sees_images else random.permutation(self._inputs)
        self._key, self._crops = random.randint(2**31), random.randint(2**31) if use.sees_images else 0
        self._leaves: list[Any] = []
        self._seen, self.steps = 0, 0
        self.sample: Float32[np.ndarray, "example input"] = np.zeros((0, self._inputs), np.float32)

    def keep(self, draw: Draw, examples: int) -> None:
        """Keeps some of these examples."""
        some = evenly_spaced(np.arange(examples), most_of(self._inputs))
        parts = np.array_split(some, -(-len(some) * self._inputs // _AT_ONCE))
        drawn = np.concatenate([draw(part) for part in parts])
        self.sample = spread(self.sample, self._seen, drawn, examples)
        self._seen += examples

    def learn(self, use: TrainedRule, draw: Draw, examples: int, steps: Iterable[Any], wait: bool = False) -> None:
        """Takes a step for each of these, on a random batch of these examples; waits for each, if that is wanted."""
        carried = self._carried(use) if self._leaves else self._begun(use)
        for _ in steps:
            # From the host: data may be larger than a device, and their number compiles nothing.
            rows = self._random.randint(examples, size=use.batch_size)
            key = jr.fold_in(jr.key(self._crops), self.steps)
            carried = _advanced(use.rule, carried, self._as_seen(draw(rows)), key)
            self.steps += 1
            if wait:  # Otherwise the steps are only on their way.
                jax.block_until_ready(carried)
        self._leaves = [np.asarray(leaf) if eqx.is_array(leaf) else leaf for leaf in jax.tree.leaves(carried)]

    def learned(self, use: TrainedRule, form: Form) -> Learned:
        """What has been learned, with frozen statistics and the views of examples of this form.

        Raises `BadInput` where a weight is not finite.
        """
        model, _ = self._carried(use)
        looked_at = evenly_spaced(self.sample, images_of(self._inputs)) if use.sees_images else self.sample
        synapses = _frozen(model, self._as_seen(looked_at)).synapses
        coefs = [np.asarray(synapse.w) for synapse in synapses]
        if not use.sees_images:
            coefs[0] = coefs[0][np.argsort(self._order)]  # As the examples have their columns.
        intercepts = [np.asarray(synapse.b) for synapse in synapses]
        if not all(np.isfinite(numbers).all() for numbers in (*coefs, *intercepts)):
            raise BadInput(f"The base model's weights are not finite after {self.steps} steps: take fewer of them.")
        width = use.architecture.features
        found = Learned(use.network, use.activation, self._shape, width, coefs, intercepts)
        return found.beside(self.sample, form, use.beside) if any(use.beside) else found

    def _begun(self, use: TrainedRule) -> tuple[Model, Any]:
        return _begun(use.architecture, use.rule, self._shape, jr.key(self._key))

    def _carried(self, use: TrainedRule) -> tuple[Model, Any]:
        return jax.tree.unflatten(jax.tree.structure(self._begun(use)), self._leaves)

    def _as_seen(self, x: Float32[np.ndarray, "example input"]) -> jax.Array:
        """Examples as the base model sees them while it learns."""
        return jnp.asarray(x[:, self._order]).reshape(-1, *self._shape)


@eqx.filter_jit
def _begun(
    architecture: AbstractArchitecture, rule: AbstractRule, shape: tuple[int, ...], key: PRNGKeyArray
) -> tuple[Model, Any]:
    """A base model for examples of this shape, and the rule's state."""
    model = architecture(shape, key)
    return model, rule.init(model)


@eqx.filter_jit
def _advanced(
    rule: AbstractRule, carried: tuple[Model, Any], x: Float[Array, " example *shape"], key: PRNGKeyArray
) -> tuple[Model, Any]:
    """The base model and the rule's state after a step on a batch, of whose images the key draws crops."""
    model, state = carried
    updates, state = rule.update(model, unlabelled(model, lambda _: x, key), state)
    return eqx.apply_updates(model, updates), state


_frozen = eqx.filter_jit(freeze)
"""The model with the statistics of these examples."""
