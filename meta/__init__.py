"""How a rule is learned: problem, objective, estimators of the meta-gradient, outer step."""

from ._length import as_length as as_length, Length as Length
from ._objective import (
    AbstractObjective as AbstractObjective,
    AbstractScore as AbstractScore,
    Cosine as Cosine,
    Hinge as Hinge,
    ridge_regression as ridge_regression,
    RidgeObjective as RidgeObjective,
    Squared as Squared,
)
from ._problem import AbstractProblem as AbstractProblem
