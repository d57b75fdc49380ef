import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from ..errors import BadInput
from ..meta import AbstractObjective, InnerLoop
from ._compare import trace


def check_objective_form(objective: AbstractObjective, problem: InnerLoop) -> None:
    """Raises `BadInput` unless an objective returns one number for a base model and a few-shot problem.

    The base model and the few-shot problem are those of an inner loop. Only shapes are traced.
    """
    key = jax.eval_shape(lambda: jr.key(0))
    task = eqx.filter_eval_shape(problem.tasks.sample, key)
    episode = eqx.filter_eval_shape(problem.tasks.episode, task, key)
    model = eqx.filter_eval_shape(problem.architecture, problem.tasks.shape, key)
    name = f"{type(objective).__name__}.__call__"
    loss = trace(name, objective, model, episode)
    if jnp.shape(loss) != ():
        raise BadInput(f"{name} must return a single number; it returns an array of shape {list(jnp.shape(loss))}.")
