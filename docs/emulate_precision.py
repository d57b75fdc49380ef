"""Any metarule command as on an accelerator whose products round: python docs/emulate_precision.py FORMAT COMMAND ...

FORMAT is tensorfloat32 (NVIDIA GPUs, JAX's default there) or bfloat16 (TPUs, JAX's default there). On a CPU, where JAX
computes all products in float32, the operands of every product and convolution that does not ask for full precision are
rounded first; sums stay float32, as in such hardware. Speed says nothing here; accuracy does.
"""

import functools
import sys

import jax
from jax._src.interpreters.mlir import _platform_specific_lowerings as lowerings  # JAX has no public way to read one.
from jax.interpreters import mlir


BITS = {"float32": (8, 23), "tensorfloat32": (8, 10), "bfloat16": (8, 7)}  # of exponent and mantissa
PRODUCTS = jax.lax.dot_general_p, jax.lax.conv_general_dilated_p


def rounding(original, exponent, mantissa, context, left, right, *, precision, **parameters):
    full = jax.lax.Precision.HIGHEST
    if precision not in (full, (full, full)):
        rounded = functools.partial(jax.lax.reduce_precision, exponent_bits=exponent, mantissa_bits=mantissa)
        lower = mlir.lower_fun(rounded, multiple_results=False)
        (left,), (right,) = (
            lower(context.replace(avals_in=[aval], avals_out=[aval]), operand)
            for operand, aval in zip((left, right), context.avals_in)
        )
    return original(context, left, right, precision=precision, **parameters)


exponent, mantissa = BITS[sys.argv.pop(1)]
for primitive in PRODUCTS:
    original = lowerings["cpu"].get(primitive) or mlir._lowerings[primitive]
    rule = original.rule if hasattr(original, "rule") else original
    mlir.register_lowering(primitive, functools.partial(rounding, rule, exponent, mantissa), platform="cpu")

from metarule.launch.__main__ import main


main()
