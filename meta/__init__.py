"""How a rule is learned: problem, objective, estimators of the meta-gradient, outer step."""

from ._devices import (
    connect as connect,
    device_count as device_count,
    mesh_of as mesh_of,
    replicate_to_mesh as replicate_to_mesh,
    shared as shared,
)
from ._diagnosis import (
    diagnose as diagnose,
    Diagnosis as Diagnosis,
    GradientSamples as GradientSamples,
    sample_gradients as sample_gradients,
)
from ._inner_loop import InnerLoop as InnerLoop, InnerState as InnerState, rollout_loss as rollout_loss
from ._length import as_length as as_length, Length as Length
from ._meta_learner import (
    meta_step as meta_step,
    MetaLearner as MetaLearner,
    MetaState as MetaState,
    MetaStep as MetaStep,
)
from ._objective import (
    AbstractObjective as AbstractObjective,
    AbstractScore as AbstractScore,
    Cosine as Cosine,
    Hinge as Hinge,
    ridge_regression as ridge_regression,
    RidgeObjective as RidgeObjective,
    Squared as Squared,
)
from ._problem import AbstractProblem as AbstractProblem, keep as keep, recomputed as recomputed
