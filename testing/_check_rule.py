from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from ..errors import BadInput
from ..models import AbstractArchitecture, Model, MultiLayerPerceptron
from ..rules import AbstractRule
from ._compare import close, difference, finite, no_array, trace


_BATCH = 4


def check_rule_form(
    rule: AbstractRule, architecture: AbstractArchitecture | None = None, shape: tuple[int, ...] = (5,)
) -> None:
    """Raises `BadInput` unless `update` returns updates like the model, and a state of arrays like the one before.

    The rule is applied to models of this architecture (two small layers unless given) and examples of this shape. Only
    shapes are traced and nothing is computed, so that the check takes milliseconds.
    """
    init, update = (f"{type(rule).__name__}.{method}" for method in ("init", "update"))
    architecture = MultiLayerPerceptron((4, 3)) if architecture is None else architecture
    model = eqx.filter_eval_shape(architecture, shape, jr.key(0))
    x = jax.ShapeDtypeStruct((_BATCH, *shape), jnp.zeros(()).dtype)
    state = trace(init, rule.init, model)
    if found := no_array(state):
        raise BadInput(f"{init} must return a state of arrays, as a checkpoint holds nothing else; {found}.")
    result = trace(update, rule.update, model, x, state)
    if not isinstance(result, tuple) or len(result) != 2:
        raise BadInput(f"{update} must return a pair (updates, state); it returns a {type(result).__name__}.")
    updates, after = result
    if found := difference(updates, model):
        raise BadInput(f"{update} must return (updates, state) with updates shaped like the model; {found}.")
    if found := difference(after, state):
        raise BadInput(f"{update} must return (updates, state) with a state shaped like that of init; {found}.")


def check_rule(
    rule: AbstractRule,
    architecture: AbstractArchitecture | None = None,
    shape: tuple[int, ...] = (5,),
    *,
    key: PRNGKeyArray | None = None,
) -> None:
    """Raises `AssertionError` unless a rule keeps what its interface promises; `BadInput` where its form is wrong.

    The same inputs give the same updates, with and without `vmap`: nothing is remembered outside of the state. Updates
    are finite, and so are the gradients of a loss after two updates with respect to the rule's float arrays.
    """
    check_rule_form(rule, architecture, shape)
    architecture = MultiLayerPerceptron((4, 3)) if architecture is None else architecture
    name = f"{type(rule).__name__}.update"
    keys = jr.split(jr.key(0) if key is None else key, 4)
    models = [architecture(shape, each) for each in keys[:2]]
    batches = [jr.normal(each, (_BATCH, *shape)) for each in keys[2:]]
    model, x = models[0], batches[0]

    # In one program: the compiler merges calls that are the same, so that the second one costs nothing.
    twice = eqx.filter_jit(lambda model, x, state: [rule.update(model, x, state) for _ in range(2)])
    first, again = twice(model, x, rule.init(model))
    assert finite(first), f"{name} must return finite numbers."
    assert close(first, again), (
        f"{name} must return the same for the same inputs: what changes between calls belongs to the state."
    )

    loop = [twice(model, x, rule.init(model))[0] for model, x in zip(models, batches)]  # pyright: ignore
    together = eqx.filter_jit(eqx.filter_vmap(lambda model, x: rule.update(model, x, rule.init(model))))
    assert close(together(_stacked(models), _stacked(batches)), _stacked(loop)), (
        f"{name} must return the same under jax.vmap as in a loop over models and batches."
    )

    assert finite(_gradient(rule, model, x)), (
        f"{name} must have finite gradients with respect to the rule's arrays: the loss is that of two updates."
    )


def _stacked(trees: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def _gradient(rule: AbstractRule, model: Model, x: Any) -> Any:
    """The gradient of the features' mean square after two updates; without leaves if the rule has no float arrays."""
    arrays, others = eqx.partition(rule, eqx.is_inexact_array)

    def loss(arrays: AbstractRule) -> Array:
        learned = eqx.combine(arrays, others)

        def step(trained: Model, state: Any) -> tuple[Model, Any]:
            updates, state = learned.update(trained, x, state)
            return eqx.apply_updates(trained, updates), state

        trained, _ = jax.lax.scan(lambda carry, _: (step(*carry), None), (model, learned.init(model)), length=2)[0]
        return (trained(x)[0] ** 2).mean()

    return jax.jit(jax.grad(loss))(arrays)
