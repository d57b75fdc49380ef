import math

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import PRNGKeyArray

from ._feedback import SeparateWeights
from ._learned_rule import LearnedRule
from ._released import all_terms
from ._top import TopErrorNetwork
from .kernels._linear import Linear
from .networks._blocks import BatchMixing, PooledMixing
from .networks._features import Activation, Bias, ErrorSignal, PreActivation, UnitIdentity, WeightStatistics
from .networks._networks import UpdateNetwork
from .terms._change import BiasChange, WeightChange


def lean(
    key: PRNGKeyArray,
    *,
    hidden: int = 16,
    signal: int = 8,
    readout: int = 2,
    width: int = 1,
    step_size: float = 0.03,
) -> LearnedRule:
    """A small relative of the released rule whose meta-parameters fit any width and depth of the base model.

    Units hear the mean state of their population instead of their neighbours' states, `width` examples of the batch
    mix in a convolution (1: none), terms are brought close to unit RMS before they are merged, and the step size is
    learned. `hidden`, `signal` and `readout` are channel counts.
    """
    keys = iter(jr.split(key, 10))
    top = TopErrorNetwork.pooled(keys, hidden, signal, width)
    plain = (WeightStatistics(), Bias())
    standardised = (Activation(), PreActivation(), UnitIdentity(), ErrorSignal())
    widths = [sum(feature.channels(signal) for feature in group) for group in (plain, standardised)]
    blocks = (
        BatchMixing.create((width, sum(widths), hidden), next(keys)),
        PooledMixing.create(hidden, next(keys)),
        BatchMixing.create((width, hidden, hidden), next(keys)),
    )
    return LearnedRule(
        top=top,
        network=UpdateNetwork(plain, standardised, jnp.zeros(widths[1]), blocks),
        outgoing=Linear.create(hidden, signal, next(keys)),
        weight_change=WeightChange.create(all_terms(hidden, readout, next(keys)), epsilon=0.01),
        feedback_change=None,
        bias_change=BiasChange(Linear.create(hidden, 1, next(keys))),
        log_step_size=jnp.asarray(math.log(step_size)),
        feedback=SeparateWeights(),
    )
