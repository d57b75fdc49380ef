"""How a rule is learned: problem, objective, estimators of the meta-gradient, outer step."""

from ._problem import AbstractProblem as AbstractProblem
