from collections.abc import Callable, Sequence

import jax

from ... import rules
from ...errors import BadInput
from ...rules import AbstractAdditiveRule, AbstractRule


def _terms(*which: type[rules.AbstractTerm] | rules.AbstractTerm) -> Callable[[AbstractRule], AbstractRule]:
    return lambda rule: rules.without_terms(rule, *which)


def _features(*kinds: type[rules.AbstractFeature]) -> Callable[[AbstractRule], AbstractRule]:
    return lambda rule: rules.without_features(rule, *kinds)


LATERAL = (
    rules.UpperLateral,
    rules.UpperPositive,
    rules.LowerLateral,
    rules.SquaredUpperLateral,
    rules.SquaredLowerLateral,
)

TERMS: dict[str, type[rules.AbstractTerm]] = {
    "0_order": rules.ZerothOrder,
    "1_order": rules.FirstOrder,
    "decorr_x": rules.Decorrelation,
    "hebb": rules.Hebbian,
    "large_decay": rules.LargeWeightDecay,
    "lin_lower_symm": rules.LowerLateral,
    "lin_upper_psd": rules.UpperPositive,
    "lin_upper_symm": rules.UpperLateral,
    "rbf": rules.RadialBasis,
    "sqr_lower_symm": rules.SquaredLowerLateral,
    "sqr_upper_symm": rules.SquaredUpperLateral,
    "w_base": rules.WeightDecay,
}
"""The twelve terms, by the names of the released code."""

MONOMIALS: dict[str, rules.AbstractTerm] = {term.name: term for term in rules.MONOMIALS}
"""The terms of `polynomial` that have powers of activity in them, by what they multiply."""

INGREDIENTS: dict[str, Callable[[AbstractRule], AbstractRule]] = {
    **{name: _terms(kind) for name, kind in TERMS.items()},
    "lateral": _terms(*LATERAL),
    # What the update network sees, and how states mix.
    "weight_statistics": _features(rules.WeightStatistics),
    "unit_identity": _features(rules.UnitIdentity),
    "bias_input": _features(rules.Bias),
    "error_signal": _features(rules.ErrorSignal),
    "unit_mixing": lambda rule: rules.without_blocks(
        rule, rules.NeighbourMixing, rules.PooledMixing, rules.DenseUnitMixing
    ),
    "batch_mixing": rules.without_batch_mixing,
    # The way down and the merge.
    "separate_feedback": rules.without_separate_feedback,
    "projection": rules.without_projection,
    "growth": rules.without_growth,
    "decay": rules.without_decay,
    "momentum": rules.without_momentum,
    # Of the rule `polynomial`.
    **{name: _terms(term) for name, term in MONOMIALS.items()},
    "monomials": _terms(rules.Monomial),
    # Of the rule `local-loss`.
    "unit_loss": lambda rule: rules.without_losses(rule, rules.UnitLoss),
    "pair_loss": lambda rule: rules.without_losses(rule, rules.PairLoss),
}
"""What can be left out of a rule, by name: the one place where names meet the parts of a rule."""


def leave_out(rule: AbstractRule, names: tuple[str, ...]) -> AbstractRule:
    """The rule without the ingredients of these names. Raises `BadInput` for an unknown name."""
    for name in names:
        if name not in INGREDIENTS:
            raise BadInput(f"Unknown ingredient {name!r}; the known ones are {', '.join(INGREDIENTS)}.")
        try:
            rule = INGREDIENTS[name](rule)
        except ValueError as error:
            raise BadInput(str(error)) from error
    return rule


def terms_of(rule: AbstractRule) -> tuple[str, ...]:
    """The names of the terms of a rule that adds up terms, also of one within another; none for any other rule."""
    found = additive(rule)
    return () if found is None else names_of(found.weight_change.terms)


def names_of(terms: Sequence[rules.AbstractTerm]) -> tuple[str, ...]:
    """The name of each term: that of its class, with a number where several terms of one name are there."""
    known = {**TERMS, **MONOMIALS}
    find = lambda term: next((name for name, which in known.items() if rules.is_term(term, which)), type(term).__name__)
    names = [find(term) for term in terms]
    return tuple(
        name if names.count(name) == 1 else f"{name} {names[: place + 1].count(name)}"
        for place, name in enumerate(names)
    )


def additive(rule: AbstractRule) -> AbstractAdditiveRule | None:
    """The rule that adds up terms: the rule itself or one within it; None where there is none."""
    is_additive = lambda node: isinstance(node, AbstractAdditiveRule)
    found = [node for node in jax.tree.leaves(rule, is_leaf=is_additive) if isinstance(node, AbstractAdditiveRule)]
    return found[0] if found else None
