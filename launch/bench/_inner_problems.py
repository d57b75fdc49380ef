import abc
import math
from typing import final, Generic, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ...meta import AbstractProblem, Length


_Memory = TypeVar("_Memory")

_DECAYS = np.array([0.1, 0.5, 0.9, 0.99, 0.999, 0.9999], np.float32)
_TIMES = np.array([1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5], np.float32)


class AbstractOptimiser(eqx.Module, Generic[_Memory]):
    """A learned optimiser: its arrays are the meta-parameters theta of an `Optimisation`."""

    @abc.abstractmethod
    def init(self, parameters: PyTree) -> _Memory:
        """Returns the optimiser's memory before the first step."""

    @abc.abstractmethod
    def update(self, gradient: PyTree, memory: _Memory, parameters: PyTree) -> tuple[PyTree, _Memory]:
        """Returns the update to add to the parameters, and the new memory."""


class Averages(eqx.Module):
    """Adam's moving averages of the gradient and of its square, and the number of steps so far."""

    first: PyTree
    second: PyTree
    time: Int[Array, ""]


@final
class LearnableAdam(AbstractOptimiser[Averages]):
    """Adam with four meta-parameters: the logarithms of the learning rate, of 1 - beta1, 1 - beta2 and epsilon."""

    numbers: Float[Array, "4"]

    def init(self, parameters: PyTree) -> Averages:
        zero = jax.tree.map(jnp.zeros_like, parameters)
        return Averages(zero, zero, jnp.zeros((), jnp.int32))

    def update(self, gradient: PyTree, memory: Averages, parameters: PyTree) -> tuple[PyTree, Averages]:
        rate, slow, slower, epsilon = jnp.exp(self.numbers)
        first = jax.tree.map(lambda m, g: m + slow * (g - m), memory.first, gradient)
        second = jax.tree.map(lambda v, g: v + slower * (g**2 - v), memory.second, gradient)
        time = memory.time + 1
        one, two = 1 - (1 - slow) ** time, 1 - (1 - slower) ** time
        step = jax.tree.map(lambda m, v: -rate * (m / one) / (jnp.sqrt(v / two) + epsilon), first, second)
        return step, Averages(first, second, time)


def adam() -> LearnableAdam:
    """Returns Adam with its usual constants and a learning rate of 0.01."""
    return LearnableAdam(jnp.log(jnp.array([0.01, 0.1, 0.001, 1e-8])))


@final
class PerParameterNetwork(AbstractOptimiser[tuple[PyTree, PyTree, Int[Array, ""]]]):
    """A small MLP that updates each parameter on its own (arXiv 2009.11243).

    Its inputs are gradient, value, momenta and second moment, each scaled to an RMS of one over an array, and features
    of the time. Its outputs are a direction and the logarithm of a magnitude.
    """

    weights: tuple[Float[Array, "..."], ...]
    biases: tuple[Float[Array, "..."], ...]

    @classmethod
    def create(cls, key: PRNGKeyArray, hidden: int = 32) -> "PerParameterNetwork":
        """Returns a network with random weights and two hidden layers of `hidden` units."""
        widths = (3 + len(_DECAYS) + len(_TIMES), hidden, hidden, 2)
        keys = jr.split(key, 3)
        weights = [jr.normal(k, (a, b)) / math.sqrt(a) for k, a, b in zip(keys, widths, widths[1:])]
        return cls(tuple(weights), tuple(jnp.zeros(b) for b in widths[1:]))

    def init(self, parameters: PyTree) -> tuple[PyTree, PyTree, Int[Array, ""]]:
        momenta = jax.tree.map(lambda p: jnp.zeros((*p.shape, len(_DECAYS))), parameters)
        return momenta, jax.tree.map(jnp.zeros_like, parameters), jnp.zeros((), jnp.int32)

    def update(
        self, gradient: PyTree, memory: tuple[PyTree, PyTree, Int[Array, ""]], parameters: PyTree
    ) -> tuple[PyTree, tuple[PyTree, PyTree, Int[Array, ""]]]:
        momenta, square, time = memory
        momenta = jax.tree.map(lambda m, g: m + (1 - _DECAYS) * (g[..., None] - m), momenta, gradient)
        square = jax.tree.map(lambda v, g: v + 0.001 * (g**2 - v), square, gradient)
        # The time at several scales: each feature rises from -0.76 to 1 around its own number of steps.
        clock = jnp.tanh(time / _TIMES - 1)

        def one(g: Array, p: Array, m: Array, v: Array) -> Array:
            inputs = jnp.concatenate([jnp.stack([g, p, jnp.sqrt(v)], -1), m], -1)
            axes = tuple(range(g.ndim))
            inputs = inputs * jax.lax.rsqrt(1e-5 + (inputs**2).mean(axes))
            values = jnp.concatenate([inputs, jnp.broadcast_to(clock, (*g.shape, len(_TIMES)))], -1)
            for weight, bias in zip(self.weights[:-1], self.biases[:-1]):
                values = jax.nn.relu(values @ weight + bias)
            values = values @ self.weights[-1] + self.biases[-1]
            # The factors keep the steps of a network with random weights small, as in the paper.
            return -1e-3 * values[..., 0] * jnp.exp(1e-3 * values[..., 1])

        return jax.tree.map(one, gradient, parameters, momenta, square), (momenta, square, time + 1)


class AbstractTarget(eqx.Module):
    """A function to minimise."""

    @abc.abstractmethod
    def init(self, key: PRNGKeyArray) -> PyTree:
        """Draws initial parameters."""

    @abc.abstractmethod
    def __call__(self, parameters: PyTree, key: PRNGKeyArray) -> Float[Array, ""]:
        """Returns the loss on a batch drawn by the key."""


@final
class Quadratic(AbstractTarget):
    """The squared norm of a vector of `size` numbers."""

    size: int = eqx.field(static=True, default=10)

    def init(self, key: PRNGKeyArray) -> Float[Array, " number"]:
        return jr.normal(key, (self.size,))

    def __call__(self, parameters: PyTree, key: PRNGKeyArray) -> Float[Array, ""]:
        return (parameters**2).sum()


@final
class Classifier(AbstractTarget):
    """The cross-entropy of an MLP with one hidden layer of 32 units, on batches of 64 random examples in 10 classes."""

    x: Float[Array, "example input"]
    labels: Int[Array, " example"]

    @classmethod
    def create(cls, key: PRNGKeyArray) -> "Classifier":
        """Returns a classifier of 1,000 random examples of 196 inputs."""
        return cls(jr.normal(key, (1000, 196)), jnp.arange(1000) % 10)

    def init(self, key: PRNGKeyArray) -> PyTree:
        first, second = jr.split(key)
        layers = jr.normal(first, (196, 32)) / 14, jnp.zeros(32), jr.normal(second, (32, 10)) / math.sqrt(32)
        return *layers, jnp.zeros(10)

    def __call__(self, parameters: PyTree, key: PRNGKeyArray) -> Float[Array, ""]:
        rows = jr.randint(key, (64,), 0, len(self.x))
        w, b, v, c = parameters
        logits = jax.nn.relu(self.x[rows] @ w + b) @ v + c
        return optax.softmax_cross_entropy_with_integer_labels(logits, self.labels[rows]).mean()


@final
class Optimisation(AbstractProblem[tuple[PyTree, PyTree]]):
    """Minimising a target with a learned optimiser. The outer loss of a step is the loss before its update."""

    target: AbstractTarget
    horizon: Length

    def init(self, theta: AbstractOptimiser, key: PRNGKeyArray) -> tuple[PyTree, PyTree]:
        parameters = self.target.init(key)
        return parameters, theta.init(parameters)

    def step(
        self, theta: AbstractOptimiser, state: tuple[PyTree, PyTree], key: PRNGKeyArray
    ) -> tuple[tuple[PyTree, PyTree], Float[Array, ""]]:
        parameters, memory = state
        loss, gradient = jax.value_and_grad(self.target)(parameters, key)
        step, memory = theta.update(gradient, memory, parameters)
        return (optax.apply_updates(parameters, step), memory), loss
