import dataclasses
from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp

from ._feedback import AbstractFeedback, TransposedWeights
from ._learned_rule import LearnedRule
from ._rule import AbstractRule
from ._top import TopErrorNetwork
from .encodings._bidirectional import Bidirectional
from .encodings._local_loss import AbstractLayerLoss, LocalLoss
from .encodings._polynomial import Plasticity
from .networks._blocks import AbstractBlock, BatchMixing, Convolution, DenseUnitMixing
from .networks._features import AbstractFeature
from .networks._networks import UpdateNetwork
from .terms._change import WeightChange
from .terms._terms import AbstractTerm


_Rule = TypeVar("_Rule", bound=AbstractRule)

# Ablation is deletion: each function returns a rule that lacks something and owns no parameter for it. It works on
# a fresh rule, to be meta-trained without the ingredient, and on a trained one, to switch the ingredient off. A part is
# found wherever it is, also within rules that wrap a rule, such as `Momentum`.


_Node = TypeVar("_Node")


def edited(rule: _Rule, kind: type[_Node], edit: Callable[[_Node], _Node]) -> _Rule:
    """The rule with each part of this class in it replaced by what `edit` returns of it."""
    is_kind = lambda node: isinstance(node, kind)
    return jax.tree.map(lambda node: edit(node) if is_kind(node) else node, rule, is_leaf=is_kind)


def without_terms(rule: _Rule, *which: type[AbstractTerm] | AbstractTerm) -> _Rule:
    """The rule without the terms of these classes, or those equal to these terms, in every weight change.

    Raises `ValueError` where no term is left.
    """

    def edit(change: WeightChange) -> WeightChange:
        kept = [i for i, term in enumerate(change.terms) if not any(is_term(term, each) for each in which)]
        if not kept:
            raise ValueError("A rule needs at least one weight-change term; leave one in.")
        return eqx.tree_at(
            lambda it: (it.terms, it.coefficients),
            change,
            (tuple(change.terms[i] for i in kept), change.coefficients[jnp.array(kept, int)]),
        )

    return edited(rule, WeightChange, edit)


def is_term(term: AbstractTerm, which: type[AbstractTerm] | AbstractTerm) -> bool:
    """Whether a term is of this class or, if `which` is a term, equal to it."""
    return isinstance(term, which) if isinstance(which, type) else eqx.tree_equal(term, which) is True


def without_losses(rule: _Rule, kind: type[AbstractLayerLoss]) -> _Rule:
    """The rule whose layers' own losses lack this part. Raises `ValueError` where no part is left."""

    def edit(local: LocalLoss) -> LocalLoss:
        kept = tuple(part for part in local.losses if not isinstance(part, kind))
        if not kept:
            raise ValueError("A local loss needs at least one part; leave one in.")
        return dataclasses.replace(local, losses=kept)

    return edited(rule, LocalLoss, edit)


def without_features(rule: _Rule, *kinds: type[AbstractFeature]) -> _Rule:
    """The rule whose update network does not see these ingredients."""
    return edited(rule, LearnedRule, lambda learned: _without_features(learned, kinds))


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
    return edited(rule, AbstractFeedback, lambda _: TransposedWeights())


def without_projection(rule: _Rule) -> _Rule:
    """The rule whose changes may shrink a weight matrix."""
    return edited(rule, WeightChange, lambda change: dataclasses.replace(change, shrinkage=1.0))


def without_growth(rule: _Rule) -> _Rule:
    """The rule without the constant outward pull on weights."""
    return edited(rule, WeightChange, lambda change: dataclasses.replace(change, growth=0.0))


def without_decay(rule: _Rule) -> _Rule:
    """The rule whose step does not shrink the parameters themselves."""
    for kind in (LearnedRule, Plasticity, Bidirectional, LocalLoss):
        rule = edited(rule, kind, lambda it: dataclasses.replace(it, decay=0.0))
    return rule
