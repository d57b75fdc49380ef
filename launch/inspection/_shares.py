from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Float32, Key

from ...models import Model, unlabelled
from ...rules import AbstractAdditiveRule, AbstractRule, Momentum
from ...tasks import as_inputs, DataSet
from ..encoders._trained_rule import TrainedRule
from ..options._ingredients import names_of


class Pushes(NamedTuple):
    """What the parts of a rule do to the weights of a base model while it is trained by the rule."""

    parts: tuple[str, ...]
    """The terms by their names, and what else is added up; empty for a rule that adds up no terms."""
    share: Float32[np.ndarray, "step synapse part"]
    """Of the whole change: its product with the part over its product with itself. All parts together have 1, and a
    part that pushes against the whole has less than 0."""
    size: Float32[np.ndarray, "step synapse part"]
    """Root mean square of the part over that of the weights."""
    whole: Float32[np.ndarray, "step synapse"]
    """The same of the whole change."""


_OTHERS = ("offset", "projection", "growth", "decay")
"""Parts of a sum beside its terms, in the order in which they are shown."""


def pushes(trained: TrainedRule, data_set: DataSet, steps: int, seed: int = 0) -> Pushes:
    """Lets a rule train its base model on the unlabelled train examples of a data set, and measures every step.

    The share of a part is of the change by the rule that adds up terms: where another rule is around it, such as
    `Momentum`, before that one changes it.
    """
    x = as_inputs(data_set.train_x)
    order_key, model_key, batch_key = jr.split(jr.key(seed), 3)
    if trained.sees_images:
        x = x.reshape(-1, *(data_set.image_shape or x.shape[1:]))
    else:
        x = x[:, np.asarray(jr.permutation(order_key, x.shape[1]))]
    model = trained.architecture(x.shape[1:], model_key)
    names, measured = _run((trained.rule, model), jnp.asarray(x), jr.split(batch_key, steps), trained.batch_size)
    return Pushes(names, *(np.asarray(each) for each in measured))


@eqx.filter_jit
def _run(
    start: tuple[AbstractRule, Model], x: Float[Array, " example *shape"], keys: Key[Array, " step"], batch_size: int
) -> tuple[tuple[str, ...], Any]:
    rule, model = start
    names: tuple[str, ...] = ()

    def step(carried: Any, key: Key[Array, ""]) -> tuple[Any, Any]:
        nonlocal names
        model, state = eqx.combine(carried, static)
        draw = lambda key: x[jr.randint(key, (batch_size,), 0, len(x))]
        batch = unlabelled(model, draw, key)
        updates, after = rule.update(model, batch, state)
        names, measured = _measured(*_within(rule, state), (model, batch), updates)
        return eqx.filter((eqx.apply_updates(model, updates), after), eqx.is_array), measured

    carried, static = eqx.partition((model, rule.init(model)), eqx.is_array)
    _, measured = jax.lax.scan(step, carried, keys)
    return names, measured


def _within(rule: AbstractRule, state: Any) -> tuple[AbstractRule, Any]:
    while isinstance(rule, Momentum):
        rule, state = rule.rule, state.inner
    return rule, state


def _measured(rule: AbstractRule, state: Any, seen: tuple[Model, Array], updates: Model) -> tuple[tuple[str, ...], Any]:
    """The names of the parts and, for every synapse, their shares and sizes and the size of the whole change."""
    model, batch = seen
    scales = [_rms(synapse.w) + 1e-30 for synapse in model.synapses]
    whole = jnp.stack([_rms(update.w) / scale for update, scale in zip(updates.synapses, scales)])
    if not isinstance(rule, AbstractAdditiveRule):
        none = jnp.zeros((len(whole), 0))
        return (), (none, none, whole)
    found = rule.parts(model, batch, state)
    others = [name for name in _OTHERS if any(part is not None and name in part for part in found)]
    names = (*names_of(rule.weight_change.terms), *others)

    def of(parts: dict[str, Array] | None, scale: Array) -> tuple[Array, Array]:
        if parts is None:
            return jnp.zeros(len(names)), jnp.zeros(len(names))
        every = jnp.concatenate([parts["terms"], *(parts[name] for name in others)])
        total = every.sum(0)
        share = (every * total).sum((1, 2)) / jnp.maximum((total**2).sum(), 1e-30)
        return share, jnp.sqrt((every**2).mean((1, 2))) / scale

    share, size = (jnp.stack(each) for each in zip(*(of(parts, scale) for parts, scale in zip(found, scales))))
    return names, (share, size, whole)


def _rms(x: Array) -> Array:
    return jnp.sqrt((x**2).mean())
