import itertools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...errors import BadInput
from ...models import MultiLayerPerceptron


def step_function(z: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """One above zero, else zero; its derivative is zero everywhere."""
    return (z > 0).astype(z.dtype)


ACTIVATIONS = {
    "relu": jax.nn.relu,
    "leaky-relu": jax.nn.leaky_relu,
    "swish": jax.nn.swish,
    "tanh": jnp.tanh,
    "step": step_function,
}


_MOST_LAYERS = 256
_MOST_WEIGHTS = 2**27  # Half a gibibyte, of which a base model has two matrices and each seed of a table its own.


def parse_widths(text: str) -> tuple[int, ...]:
    """Layer widths from text such as `64-64-32`, features last. Raises `BadInput` for anything else."""
    parts = text.split("-")
    if not all(part.isascii() and part.isdecimal() and part.strip("0") for part in parts):
        raise BadInput(f"A network is written as its layer widths, like 64-64-32; got {text[:60]!r}.")
    if len(parts) > _MOST_LAYERS or max(len(part.lstrip("0")) for part in parts) > 5:
        raise BadInput(f"A network has at most {_MOST_LAYERS} layers of at most 99,999 units; got {text[:60]!r}.")
    widths = tuple(int(part) for part in parts)
    weights = sum(pre * post for pre, post in itertools.pairwise(widths))
    if weights > _MOST_WEIGHTS:
        raise BadInput(f"A network has at most {_MOST_WEIGHTS:,} weights between its layers; {text} has {weights:,}.")
    return widths


def network(widths: str, activation: str, weight_scale: float) -> MultiLayerPerceptron:
    """The base model's architecture from what a person types. Raises `BadInput` for an unknown activation."""
    if activation not in ACTIVATIONS:
        raise BadInput(f"Unknown activation {activation!r}; the known ones are {', '.join(ACTIVATIONS)}.")
    return MultiLayerPerceptron(parse_widths(widths), ACTIVATIONS[activation], weight_scale)
