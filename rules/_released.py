import math

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import PRNGKeyArray

from ._feedback import SeparateWeights
from ._learned_rule import LearnedRule
from ._top import TopErrorNetwork
from .kernels._linear import Linear
from .networks._blocks import BatchMixing, Convolution, DenseUnitMixing, NeighbourMixing
from .networks._features import Activation, Bias, ErrorSignal, PreActivation, UnitIdentity, WeightStatistics
from .networks._networks import UpdateNetwork
from .terms._change import BiasChange, WeightChange
from .terms._lateral_terms import LowerLateral, SquaredLowerLateral, SquaredUpperLateral, UpperLateral, UpperPositive
from .terms._terms import (
    AbstractTerm,
    Decorrelation,
    FirstOrder,
    Hebbian,
    LargeWeightDecay,
    RadialBasis,
    WeightDecay,
    ZerothOrder,
)


def all_terms(hidden: int, channels: int, key: PRNGKeyArray) -> tuple[AbstractTerm, ...]:
    """The twelve terms of arXiv 1804.00222, in the order of the released code's coefficients.

    `hidden` is the width of the hidden states, `channels` the number of products that a readout averages.
    """
    keys = iter(jr.split(key, 15))

    def read(count: int = 1) -> tuple[Linear, ...]:
        return tuple(Linear.create(hidden, channels, next(keys)) for _ in range(count))

    return (
        ZerothOrder(read(), read()),
        FirstOrder(read(), read()),
        Decorrelation(),
        Hebbian(),
        LargeWeightDecay(),
        LowerLateral((), read(2)),
        UpperPositive(read(), ()),
        UpperLateral(read(2), ()),
        RadialBasis(read(), read()),
        SquaredLowerLateral((), read(2)),
        SquaredUpperLateral(read(2), ()),
        WeightDecay(),
    )


def released(
    outputs: int,
    key: PRNGKeyArray,
    *,
    hidden: int = 64,
    signal: int = 32,
    readout: int = 4,
    top_hidden: int = 64,
    separate_feedback_change: bool = False,
    step_size: float = 1e-4,
) -> LearnedRule:
    """The rule as released with arXiv 1804.00222, with the released initial values.

    Its top error network mixes `outputs` units densely, so it fits base models with that many features only.
    `hidden`, `signal`, `readout` and `top_hidden` are channel counts; the step size is a constant.
    """
    keys = iter(jr.split(key, 12))
    top = TopErrorNetwork(
        (
            BatchMixing.create((5, 1, top_hidden), next(keys)),
            DenseUnitMixing.create(outputs, next(keys)),
            DenseUnitMixing.create(outputs, next(keys)),
            BatchMixing.create((3, top_hidden, top_hidden), next(keys)),
            BatchMixing.create((3, top_hidden, top_hidden), next(keys)),
        ),
        Convolution.create((3, top_hidden, signal), next(keys)),
    )
    plain = (WeightStatistics(), Bias())
    standardised = (Activation(), PreActivation(), UnitIdentity(), ErrorSignal())
    widths = [sum(feature.channels(signal) for feature in group) for group in (plain, standardised)]
    blocks = (
        BatchMixing.create((3, sum(widths), hidden), next(keys)),
        NeighbourMixing.create(hidden, next(keys)),
        BatchMixing.create((3, hidden, hidden), next(keys)),
        NeighbourMixing.create(hidden, next(keys)),
    )
    forward, backward, outgoing, bias = jr.split(next(keys), 4)
    return LearnedRule(
        top=top,
        network=UpdateNetwork(plain, standardised, jnp.zeros(widths[1]), blocks),
        outgoing=Linear.create(hidden, signal, outgoing),
        weight_change=WeightChange.create(all_terms(hidden, readout, forward)),
        feedback_change=(
            WeightChange.create(all_terms(hidden, readout, backward)) if separate_feedback_change else None
        ),
        bias_change=BiasChange(Linear.create(hidden, 1, bias)),
        log_step_size=math.log(step_size),
        feedback=SeparateWeights(),
    )
