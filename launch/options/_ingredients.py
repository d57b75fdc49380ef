from collections.abc import Callable

from ... import rules
from ...errors import BadInput
from ...rules import AbstractRule


def _terms(*kinds: type[rules.AbstractTerm]) -> Callable[[AbstractRule], AbstractRule]:
    return lambda rule: rules.without_terms(rule, *kinds)


def _features(*kinds: type[rules.AbstractFeature]) -> Callable[[AbstractRule], AbstractRule]:
    return lambda rule: rules.without_features(rule, *kinds)


LATERAL = (
    rules.UpperLateral,
    rules.UpperPositive,
    rules.LowerLateral,
    rules.SquaredUpperLateral,
    rules.SquaredLowerLateral,
)

INGREDIENTS: dict[str, Callable[[AbstractRule], AbstractRule]] = {
    # The twelve terms, by the names of the released code.
    "0_order": _terms(rules.ZerothOrder),
    "1_order": _terms(rules.FirstOrder),
    "decorr_x": _terms(rules.Decorrelation),
    "hebb": _terms(rules.Hebbian),
    "large_decay": _terms(rules.LargeWeightDecay),
    "lin_lower_symm": _terms(rules.LowerLateral),
    "lin_upper_psd": _terms(rules.UpperPositive),
    "lin_upper_symm": _terms(rules.UpperLateral),
    "rbf": _terms(rules.RadialBasis),
    "sqr_lower_symm": _terms(rules.SquaredLowerLateral),
    "sqr_upper_symm": _terms(rules.SquaredUpperLateral),
    "w_base": _terms(rules.WeightDecay),
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
