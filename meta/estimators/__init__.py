"""Which estimators of the meta-gradient are there? One interface, many trades of bias, variance and memory."""

from .._estimator import AbstractEstimator as AbstractEstimator, Estimate as Estimate
from ..particles._flat import own_copy as own_copy, ravel as ravel
from ..particles._mean import plain_mean as plain_mean
from ..particles._moments import Moments as Moments
from ..particles._particle import (
    Particle as Particle,
    ParticlesState as ParticlesState,
    WindowResult as WindowResult,
)
from ..particles._particles import AbstractParticles as AbstractParticles, Plan as Plan
from ..particles._population import ParticleKeys as ParticleKeys, Population as Population
from ..particles._shaping import (
    AbstractShaping as AbstractShaping,
    RankShaping as RankShaping,
    SignShaping as SignShaping,
    Unshaped as Unshaped,
)
from ..particles._unroll import (
    tree_where as tree_where,
    Truncation as Truncation,
    unroll as unroll,
    Unrolled as Unrolled,
)
from ._antithetic import (
    AbstractAntithetic as AbstractAntithetic,
    AntitheticPair as AntitheticPair,
    Credit as Credit,
    Draw as Draw,
    NoiseMemory as NoiseMemory,
    Perturbation as Perturbation,
)
from ._backprop import clip_by_norm as clip_by_norm, TruncatedBackprop as TruncatedBackprop
from ._differentiable import check_differentiable as check_differentiable
from ._evolution import AntitheticES as AntitheticES, FullES as FullES, GPES as GPES, NRES as NRES, PES as PES
from ._evosax import EvosaxSearch as EvosaxSearch
from ._forward import ForwardMode as ForwardMode
from ._full_backprop import FullBackprop as FullBackprop
from ._hybrid import Hybrid as Hybrid
from ._implicit import Implicit as Implicit
from ._noise import Noise as Noise
from ._pes_analytic import PESAnalytic as PESAnalytic
