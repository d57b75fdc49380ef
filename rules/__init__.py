"""How a weight changes: the learned rule, its terms, hand-made rules."""

from ._ablation import (
    without_batch_mixing as without_batch_mixing,
    without_blocks as without_blocks,
    without_decay as without_decay,
    without_features as without_features,
    without_growth as without_growth,
    without_projection as without_projection,
    without_separate_feedback as without_separate_feedback,
    without_terms as without_terms,
)
from ._blocks import (
    AbstractBlock as AbstractBlock,
    BatchMixing as BatchMixing,
    Convolution as Convolution,
    DenseUnitMixing as DenseUnitMixing,
    NeighbourMixing as NeighbourMixing,
    PooledMixing as PooledMixing,
)
from ._change import BiasChange as BiasChange, WeightChange as WeightChange
from ._features import (
    AbstractFeature as AbstractFeature,
    Activation as Activation,
    Bias as Bias,
    ErrorSignal as ErrorSignal,
    Population as Population,
    PreActivation as PreActivation,
    UnitIdentity as UnitIdentity,
    WeightStatistics as WeightStatistics,
)
from ._feedback import (
    AbstractFeedback as AbstractFeedback,
    SeparateWeights as SeparateWeights,
    TransposedWeights as TransposedWeights,
)
from ._fit import fit as fit
from ._keep import keep as keep, recomputed as recomputed
from ._krotov_hopfield import KrotovHopfield as KrotovHopfield
from ._lateral_terms import (
    LowerLateral as LowerLateral,
    SquaredLowerLateral as SquaredLowerLateral,
    SquaredUpperLateral as SquaredUpperLateral,
    UpperLateral as UpperLateral,
    UpperPositive as UpperPositive,
)
from ._lean import lean as lean
from ._learned_rule import LearnedRule as LearnedRule, Signals as Signals
from ._linear import Linear as Linear
from ._local import AbstractLocalRule as AbstractLocalRule
from ._networks import TopErrorNetwork as TopErrorNetwork, UpdateNetwork as UpdateNetwork
from ._oja import Oja as Oja, Sanger as Sanger
from ._released import all_terms as all_terms, released as released
from ._released_variables import released_from_variables as released_from_variables
from ._rule import AbstractRule as AbstractRule
from ._site import Site as Site, standardise as standardise, unit_rms as unit_rms
from ._soft_hebb import SoftHebb as SoftHebb
from ._states import States as States
from ._terms import (
    AbstractTerm as AbstractTerm,
    Decorrelation as Decorrelation,
    FirstOrder as FirstOrder,
    Hebbian as Hebbian,
    LargeWeightDecay as LargeWeightDecay,
    RadialBasis as RadialBasis,
    WeightDecay as WeightDecay,
    ZerothOrder as ZerothOrder,
)
