from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ._feedback import SeparateWeights
from ._learned_rule import LearnedRule
from ._top import TopErrorNetwork
from .kernels._linear import Linear
from .networks._blocks import BatchMixing, Convolution, DenseUnitMixing, NeighbourMixing
from .networks._features import Activation, Bias, ErrorSignal, PreActivation, UnitIdentity, WeightStatistics
from .networks._networks import UpdateNetwork
from .terms._change import BiasChange, WeightChange
from .terms._lateral_terms import LowerLateral, SquaredLowerLateral, SquaredUpperLateral, UpperLateral, UpperPositive
from .terms._terms import Decorrelation, FirstOrder, Hebbian, LargeWeightDecay, RadialBasis, WeightDecay, ZerothOrder


_SCOPE = "MoreLocalWeightUpdateProcess/"


def released_from_variables(
    variables: Mapping[str, np.ndarray | Array], *, log_step_size: float = float(np.log(1e-4))
) -> LearnedRule:
    """The rule whose TensorFlow variables, as the code released with arXiv 1804.00222 names them, are given.

    Names start with `MoreLocalWeightUpdateProcess/`; others, and the moving averages (which that code never reads),
    are left alone. Feedback weights get a change of their own where the variables have one. The arrays keep their
    precision. Raises `KeyError` naming the first variable that is missing.
    """
    read = _Reader(variables)
    top = "compute_top_delta/"
    first, last = "ConcatUnitConv/", "ConcatUnitConv_1/"
    separate = _SCOPE + "backward_weight_readout_coeffs/w" in variables
    return LearnedRule(
        top=TopErrorNetwork(
            (
                read.block(top + "conv_1d", top + "batch_norm"),
                DenseUnitMixing(read.block(top + "conv_1d_1", top + "batch_norm_1")),
                DenseUnitMixing(read.block(top + "conv_1d_2", top + "batch_norm_2")),
                read.block(top + "conv_1d_3", top + "batch_norm_3"),
                read.block(top + "conv_1d_4", top + "batch_norm_4"),
            ),
            read.convolution(top + "conv_1d_5"),
        ),
        network=UpdateNetwork(
            (WeightStatistics(), Bias()),
            (Activation(), PreActivation(), UnitIdentity(), ErrorSignal()),
            read("batch_norm/beta").reshape(-1),
            (
                read.block("conv_1d", "batch_norm_1"),
                read.neighbours(first),
                read.block("conv_1d_1", "batch_norm_2"),
                read.neighbours(last),
            ),
        ),
        outgoing=read.linear("linear"),
        weight_change=read.change("forward"),
        feedback_change=read.change("backward") if separate else None,
        bias_change=BiasChange(read.linear("bias_readout")),
        log_step_size=log_step_size,
        feedback=SeparateWeights(),
    )


class _Reader:
    def __init__(self, variables: Mapping[str, np.ndarray | Array]):
        self.variables = variables

    def __call__(self, name: str) -> Array:
        return jnp.asarray(self.variables[_SCOPE + name])

    def linear(self, name: str) -> Linear:
        return Linear(self(name + "/w"), self(name + "/b"))

    def convolution(self, name: str) -> Convolution:
        return Convolution(self(name + "/w"), self(name + "/b"))

    def block(self, convolution: str, norm: str) -> BatchMixing:
        return BatchMixing(self.convolution(convolution), self(norm + "/beta").reshape(-1))

    def neighbours(self, scope: str) -> NeighbourMixing:
        return NeighbourMixing(
            self.block(scope + "conv_1d", scope + "batch_norm"),
            self.block(scope + "conv_1d_1", scope + "batch_norm_1"),
        )

    def change(self, prefix: str) -> WeightChange:
        def read(name: str, *sides: str) -> tuple[Linear, ...]:
            return tuple(self.linear(f"{prefix}{name}_{side}/linear") for side in sides)

        def pair(name: str) -> tuple[tuple[Linear, ...], tuple[Linear, ...]]:
            return read(name, "top"), read(name, "bottom")

        terms = (
            ZerothOrder(*pair("weight_readout_0")),
            FirstOrder(*pair("weight_readout_1")),
            Decorrelation(),
            Hebbian(),
            LargeWeightDecay(),
            LowerLateral((), read("lin_lower_symm", "top", "bottom")),
            UpperPositive(read("lin_upper_psd", "top"), ()),
            UpperLateral(read("lin_upper_symm", "top", "bottom"), ()),
            RadialBasis(*pair("weight_readout_rbf")),
            SquaredLowerLateral((), read("sqr_lower_symm", "top", "bottom")),
            SquaredUpperLateral(read("sqr_upper_symm", "top", "bottom"), ()),
            WeightDecay(),
        )
        coefficients = f"{prefix}_weight_readout_coeffs/"
        return WeightChange(terms, self(coefficients + "w")[:, 0], self(coefficients + "b")[0])
