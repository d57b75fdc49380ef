"""Estimators of the meta-gradient: one interface, many trades of bias, variance and memory."""

from .._estimator import AbstractEstimator as AbstractEstimator, Estimate as Estimate
from ..particles._flat import own_copy as own_copy
from ..particles._particles import AbstractParticles as AbstractParticles
from ..particles._population import Population as Population
from ..particles._shaping import (
    AbstractShaping as AbstractShaping,
    RankShaping as RankShaping,
    SignShaping as SignShaping,
    Unshaped as Unshaped,
)
from ._backprop import TruncatedBackprop as TruncatedBackprop
from ._evolution import AntitheticES as AntitheticES, FullES as FullES, GPES as GPES, NRES as NRES, PES as PES
from ._evosax import EvosaxSearch as EvosaxSearch
from ._forward import ForwardMode as ForwardMode
from ._full_backprop import FullBackprop as FullBackprop
from ._hybrid import Hybrid as Hybrid
from ._noise import Noise as Noise
from ._persistent import AbstractPersistent as AbstractPersistent
from ._pes_analytic import PESAnalytic as PESAnalytic
