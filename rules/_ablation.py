import dataclasses
from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp

from ._feedback import TransposedWeights
from ._learned_rule import LearnedRule
from ._rule import AbstractRule
from ._top import TopErrorNetwork
from .networks._blocks import AbstractBlock, BatchMixing, Convolution, DenseUnitMixing
from .networks._features import AbstractFeature
from .networks._networks import UpdateNetwork
from .terms._change import WeightChange
from .terms._terms import AbstractTerm


_Rule = TypeVar("_Rule", bound=AbstractRule)

# Ablation is deletion: each function returns a rule that lacks something and owns no parameter for it. It works on
# a fresh rule, to be meta-trained without the ingredient, and on a trained one, to switch the ingredient off. A learned
# rule is found wherever it is, also within rules that wrap it, such as `Momentum`.


def edited(rule: _Rule, edit: Callable[[LearnedRule], LearnedRule]) -> _Rule:
    """The rule with each learned rule in it replaced by what `edit` returns of it."""
    return jax.tree.map(
        lambda node: edit(node) if isinstance(node, LearnedRule) else node,
        rule,
        is_leaf=lambda node: isinstance(node, LearnedRule),
    )


def without_terms(rule: _Rule, *kinds: type[AbstractTerm]) -> _Rule:
    """The rule without the terms of these classes, in the forward and the feedback change."""

    def edit(learned: LearnedRule) -> LearnedRule:
        changed = _map_changes(learned, lambda change: _drop_terms(change, kinds))
        if not changed.weight_change.terms:
            raise ValueError("A rule needs at least one weight-change term; leave one in.")
        return changed

    return edited(rule, edit)


def _drop_terms(change: WeightChange, kinds: tuple[type[AbstractTerm], ...]) -> WeightChange:
    kept = [i for i, term in enumerate(change.terms) if not isinstance(term, kinds)]
    return eqx.tree_at(
        lambda it: (it.terms, it.coefficients),
        change,
        (tuple(change.terms[i] for i in kept), change.coefficients[jnp.array(kept, int)]),
    )


def _map_changes(rule: LearnedRule, edit: Callable[[WeightChange], WeightChange]) -> LearnedRule:
    feedback = None if rule.feedback_change is None else edit(rule.feedback_change)
    return eqx.tree_at(
        lambda it: (it.weight_change, it.feedback_change),
        rule,
        (edit(rule.weight_change), feedback),
        is_leaf=lambda node: node is None,
    )


def without_features(rule: _Rule, *kinds: type[AbstractFeature]) -> _Rule:
    """The rule whose update network does not see these ingredients."""
    return edited(rule, lambda learned: _without_features(learned, kinds))


def _without_features(rule: LearnedRule, kinds: tuple[type[AbstractFeature], ...]) -> LearnedRule:
    network = rule.network
    signal = rule.outgoing.bias.shape[0]

    def mask(features: tuple[AbstractFeature, ...]) -> list[bool]:
        return [not isinstance(f, kinds) for f in features for _ in range(f.channels(signal))]

    plain, standardised = mask(network.plain), mask(network.standardised)
    if not any(standardised):
        raise ValueError("An update network needs at least one standardised ingredient; leave one in.")
    first = network.blocks[0]
    assert isinstance(first, BatchMixing)
    rows = jnp.array([i for i, keep in enumerate(plain + standardised) if keep])
    offsets = jnp.array([i for i, keep in enumerate(standardised) if keep])
    first = eqx.tree_at(lambda it: it.convolution.weight, first, first.convolution.weight[:, rows])
    edited = eqx.tree_at(
        lambda it: (it.plain, it.standardised, it.offset, it.blocks),
        network,
        (
            tuple(f for f in network.plain if not isinstance(f, kinds)),
            tuple(f for f in network.standardised if not isinstance(f, kinds)),
            network.offset[offsets],
            (first, *network.blocks[1:]),
        ),
    )
    return eqx.tree_at(lambda it: it.network, rule, edited)


def without_blocks(rule: _Rule, *kinds: type[AbstractBlock]) -> _Rule:
    """The rule whose networks lack these stages."""

    def edit(node: object) -> object:
        if not isinstance(node, TopErrorNetwork | UpdateNetwork):
            return node
        return eqx.tree_at(
            lambda it: it.blocks, node, tuple(each for each in node.blocks if not isinstance(each, kinds))
        )

    return jax.tree.map(edit, rule, is_leaf=lambda node: isinstance(node, TopErrorNetwork | UpdateNetwork))


def without_batch_mixing(rule: _Rule) -> _Rule:
    """The rule whose convolutions along the batch keep only their middle tap: no example sees another one's state."""

    def narrow(convolution: Convolution) -> Convolution:
        middle = convolution.weight.shape[0] // 2
        return Convolution(convolution.weight[middle : middle + 1], convolution.bias)

    def edit(node: object) -> object:
        if isinstance(node, BatchMixing):
            return BatchMixing(narrow(node.convolution), node.offset)
        if isinstance(node, DenseUnitMixing):  # Its convolution runs along the batch, that of neighbours does not.
            return DenseUnitMixing(BatchMixing(narrow(node.block.convolution), node.block.offset))
        return narrow(node) if isinstance(node, Convolution) else node

    return jax.tree.map(edit, rule, is_leaf=lambda node: isinstance(node, Convolution | AbstractBlock))


def without_separate_feedback(rule: _Rule) -> _Rule:
    """The rule that sends errors down the transpose of the forward weights."""
    return edited(rule, lambda learned: eqx.tree_at(lambda it: it.feedback, learned, TransposedWeights()))


def without_projection(rule: _Rule) -> _Rule:
    """The rule whose changes may shrink a weight matrix."""
    return edited(rule, lambda learned: _map_changes(learned, lambda it: _with_fields(it, shrinkage=1.0)))


def without_growth(rule: _Rule) -> _Rule:
    """The rule without the constant outward pull on weights."""
    return edited(rule, lambda learned: _map_changes(learned, lambda it: _with_fields(it, growth=0.0)))


def without_decay(rule: _Rule) -> _Rule:
    """The rule whose step does not shrink the parameters themselves."""
    return edited(rule, lambda learned: _with_fields(learned, decay=0.0))


_Module = TypeVar("_Module", bound=eqx.Module)


def _with_fields(module: _Module, **changed: float) -> _Module:
    """The module with other static fields, which `equinox.tree_at` can't reach."""
    return dataclasses.replace(module, **changed)
