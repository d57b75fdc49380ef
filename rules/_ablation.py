from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from ._feedback import TransposedWeights
from ._learned_rule import LearnedRule
from .networks._blocks import AbstractBlock, BatchMixing, Convolution, DenseUnitMixing
from .networks._features import AbstractFeature
from .terms._change import WeightChange
from .terms._terms import AbstractTerm


# Ablation is deletion: each function returns a rule that lacks something and owns no parameter for it. It works on
# a fresh rule, to be meta-trained without the ingredient, and on a trained one, to switch the ingredient off.


def without_terms(rule: LearnedRule, *kinds: type[AbstractTerm]) -> LearnedRule:
    """The rule without the terms of these classes, in the forward and the feedback change."""
    changed = _map_changes(rule, lambda change: _drop_terms(change, kinds))
    if not changed.weight_change.terms:
        raise ValueError("A rule needs at least one weight-change term; leave one in.")
    return changed


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


def without_features(rule: LearnedRule, *kinds: type[AbstractFeature]) -> LearnedRule:
    """The rule whose update network does not see these ingredients."""
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


def without_blocks(rule: LearnedRule, *kinds: type[AbstractBlock]) -> LearnedRule:
    """The rule whose two networks lack these stages."""

    def kept(blocks: tuple[AbstractBlock, ...]) -> tuple[AbstractBlock, ...]:
        return tuple(block for block in blocks if not isinstance(block, kinds))

    return eqx.tree_at(
        lambda it: (it.top.blocks, it.network.blocks), rule, (kept(rule.top.blocks), kept(rule.network.blocks))
    )


def without_batch_mixing(rule: LearnedRule) -> LearnedRule:
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

    networks = jax.tree.map(
        edit, (rule.top, rule.network), is_leaf=lambda node: isinstance(node, Convolution | AbstractBlock)
    )
    return eqx.tree_at(lambda it: (it.top, it.network), rule, networks)


def without_separate_feedback(rule: LearnedRule) -> LearnedRule:
    """The rule that sends errors down the transpose of the forward weights."""
    return eqx.tree_at(lambda it: it.feedback, rule, TransposedWeights())


def without_projection(rule: LearnedRule) -> LearnedRule:
    """The rule whose changes may shrink a weight matrix."""
    return _map_changes(rule, lambda it: WeightChange(it.terms, it.coefficients, it.offset, it.epsilon, 1.0, it.growth))


def without_growth(rule: LearnedRule) -> LearnedRule:
    """The rule without the constant outward pull on weights."""
    return _map_changes(
        rule, lambda it: WeightChange(it.terms, it.coefficients, it.offset, it.epsilon, it.shrinkage, 0.0)
    )


def without_decay(rule: LearnedRule) -> LearnedRule:
    """The rule whose step does not shrink the parameters themselves."""
    fields = {name: getattr(rule, name) for name in LearnedRule.__dataclass_fields__}
    return LearnedRule(**{**fields, "decay": 0.0})
