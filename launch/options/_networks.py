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


def parse_widths(text: str) -> tuple[int, ...]:
    """Layer widths from text such as `64-64-32`, features last. Raises `BadInput` for anything else."""
    parts = text.split("-")
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise BadInput(f"A network is written as its layer widths, like 64-64-32; got {text!r}.")
    return tuple(int(part) for part in parts)


def network(widths: str, activation: str, weight_scale: float) -> MultiLayerPerceptron:
    """The base model's architecture from what a person types. Raises `BadInput` for an unknown activation."""
    if activation not in ACTIVATIONS:
        raise BadInput(f"Unknown activation {activation!r}; the known ones are {', '.join(ACTIVATIONS)}.")
    return MultiLayerPerceptron(parse_widths(widths), ACTIVATIONS[activation], weight_scale)
