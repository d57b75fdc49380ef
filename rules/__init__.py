"""How a weight changes: the learned rule, its terms, hand-made rules."""

from ._ablation import (
    is_term as is_term,
    without_batch_mixing as without_batch_mixing,
    without_blocks as without_blocks,
    without_decay as without_decay,
    without_features as without_features,
    without_growth as without_growth,
    without_losses as without_losses,
    without_projection as without_projection,
    without_separate_feedback as without_separate_feedback,
    without_terms as without_terms,
)
from ._feedback import (
    AbstractFeedback as AbstractFeedback,
    SeparateWeights as SeparateWeights,
    TransposedWeights as TransposedWeights,
)
from ._fit import fit as fit
from ._lean import lean as lean
from ._learned_rule import LearnedRule as LearnedRule, Signals as Signals
from ._momentum import Momentum as Momentum, without_momentum as without_momentum
from ._recipe import AbstractRecipe as AbstractRecipe
from ._released import all_terms as all_terms, released as released
from ._released_variables import released_from_variables as released_from_variables
from ._rule import AbstractAdditiveRule as AbstractAdditiveRule, AbstractRule as AbstractRule
from ._synaptic_rule import AbstractSynapticRule as AbstractSynapticRule
from ._top import AbstractTop as AbstractTop, TopErrorNetwork as TopErrorNetwork
from .encodings._bidirectional import Bidirectional as Bidirectional, bidirectional as bidirectional
from .encodings._local_loss import (
    AbstractLayerLoss as AbstractLayerLoss,
    local_loss as local_loss,
    LocalLoss as LocalLoss,
    LossNetwork as LossNetwork,
    PairLoss as PairLoss,
    UnitLoss as UnitLoss,
)
from .encodings._polynomial import Plasticity as Plasticity, polynomial as polynomial
from .hand_made._krotov_hopfield import KrotovHopfield as KrotovHopfield
from .hand_made._oja import Oja as Oja, Sanger as Sanger
from .hand_made._soft_hebb import SoftHebb as SoftHebb
from .hand_made._unit_power import unit_power as unit_power
from .kernels._keep import keep as keep, recomputed as recomputed
from .kernels._linear import (
    couple as couple,
    couple_laterally as couple_laterally,
    Linear as Linear,
    outer_mean as outer_mean,
)
from .kernels._states import States as States
from .networks._blocks import (
    AbstractBlock as AbstractBlock,
    BatchMixing as BatchMixing,
    Convolution as Convolution,
    DenseUnitMixing as DenseUnitMixing,
    NeighbourMixing as NeighbourMixing,
    PooledMixing as PooledMixing,
)
from .networks._features import (
    AbstractFeature as AbstractFeature,
    Activation as Activation,
    Bias as Bias,
    ErrorSignal as ErrorSignal,
    NeuronInputs as NeuronInputs,
    PreActivation as PreActivation,
    UnitIdentity as UnitIdentity,
    WeightStatistics as WeightStatistics,
)
from .networks._networks import UpdateNetwork as UpdateNetwork
from .terms._change import BiasChange as BiasChange, WeightChange as WeightChange
from .terms._lateral_terms import (
    LowerLateral as LowerLateral,
    SquaredLowerLateral as SquaredLowerLateral,
    SquaredUpperLateral as SquaredUpperLateral,
    UpperLateral as UpperLateral,
    UpperPositive as UpperPositive,
)
from .terms._monomial import Monomial as Monomial, MONOMIALS as MONOMIALS
from .terms._site import Site as Site, standardise as standardise, unit_rms as unit_rms
from .terms._terms import (
    AbstractTerm as AbstractTerm,
    Decorrelation as Decorrelation,
    FirstOrder as FirstOrder,
    Hebbian as Hebbian,
    LargeWeightDecay as LargeWeightDecay,
    RadialBasis as RadialBasis,
    WeightDecay as WeightDecay,
    ZerothOrder as ZerothOrder,
)
