"""Small problems whose meta-gradient is known."""

from typing import final

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from metarule.meta import AbstractProblem, Length


@final
class InfluenceBalancing(AbstractProblem[Float[Array, " unit"]]):
    """A linear system in which theta first raises the loss's unit and much later lowers it more.

    State s <- A s + (theta, .., theta, -theta, .., -theta), A = (I + shift) / 2, 23 units; loss (s[0] - 1)^2 / 2.
    The long-run loss is 18 (theta + 1/6)^2. Windows of up to 100 steps push theta the wrong way (arXiv 1702.05043).
    """

    horizon: Length
    units: int = 23
    positive: int = 10

    def init(self, theta: Float[Array, ""], key: PRNGKeyArray) -> Float[Array, " unit"]:
        return jnp.ones(self.units, theta.dtype)

    def step(
        self, theta: Float[Array, ""], state: Float[Array, " unit"], key: PRNGKeyArray
    ) -> tuple[Float[Array, " unit"], Float[Array, ""]]:
        sign = jnp.where(jnp.arange(self.units) < self.positive, 1, -1)
        state = (state + jnp.append(state[1:], 0)) / 2 + sign * theta
        return state, 0.5 * (state[0] - 1) ** 2


@final
class ChaoticSchedule(AbstractProblem[tuple[Float[Array, "2"], Int[Array, ""]]]):
    """Two numbers decide a learning-rate schedule for gradient descent on a surface that makes it chaotic.

    The rate goes from exp(theta[0]) to exp(theta[1]) linearly; the loss is the surface's height after each step, so
    that over 100 steps their sum is 2488 at theta = (-4, -4) and 553 at best (arXiv 2112.13835).
    """

    horizon: Length

    def init(self, theta: Float[Array, "2"], key: PRNGKeyArray) -> tuple[Float[Array, "2"], Int[Array, ""]]:
        return jnp.ones(2, theta.dtype), jnp.zeros((), jnp.int32)

    def step(
        self, theta: Float[Array, "2"], state: tuple[Float[Array, "2"], Int[Array, ""]], key: PRNGKeyArray
    ) -> tuple[tuple[Float[Array, "2"], Int[Array, ""]], Float[Array, ""]]:
        x, time = state
        done = time / self.horizon.maximum
        rate = jnp.exp(theta[0]) * (1 - done) + jnp.exp(theta[1]) * done
        x = x - rate * jax.grad(_surface)(x)
        return (x, time + 1), _surface(x)


def _surface(x: Float[Array, "2"]) -> Float[Array, ""]:
    bowl = jnp.sqrt(x[0] ** 2 + 5) - jnp.sqrt(5.0)
    return bowl + jnp.sin(x[1]) ** 2 * jnp.exp(-5 * x[0] ** 2) + 0.25 * jnp.abs(x[1] - 100)


@final
class Drift(AbstractProblem[tuple[Float[Array, ""], Int[Array, ""]]]):
    """A phase that theta pushes, and a weighted sine of it as loss: smooth, and its smoothed loss has a closed form.

    The phase starts at `pushes[0]` . theta; step t adds `pushes[t]` . theta and normal noise of size `jitter`; the loss
    there is `weights[t - 1]` sin(phase).
    """

    horizon: Length
    pushes: Float[Array, "steps_and_start parameter"]
    weights: Float[Array, " steps"]
    jitter: float = 0.0

    def init(self, theta: Float[Array, " parameter"], key: PRNGKeyArray) -> tuple[Float[Array, ""], Int[Array, ""]]:
        return self.pushes[0] @ theta, jnp.zeros((), jnp.int32)

    def step(
        self, theta: Float[Array, " parameter"], state: tuple[Float[Array, ""], Int[Array, ""]], key: PRNGKeyArray
    ) -> tuple[tuple[Float[Array, ""], Int[Array, ""]], Float[Array, ""]]:
        phase, time = state
        phase = phase + self.pushes[time + 1] @ theta + self.jitter * jr.normal(key)
        return (phase, time + 1), self.weights[time] * jnp.sin(phase)

    def smoothed_loss(
        self,
        theta: Float[Array, " parameter"],
        scale: float | Float[Array, ""],
        segments: Int[Array, " steps_and_start"],
    ) -> Float[Array, ""]:
        """The expected mean loss of an episode when theta carries normal noise, one draw for each segment of steps."""
        pushed = jnp.cumsum(self.pushes, 0)[1:]
        member = segments[:, None] == jnp.arange(segments.shape[0])
        apart = jnp.cumsum(jnp.where(member[..., None], self.pushes[:, None], 0), 0)[1:]
        variance = scale**2 * (apart**2).sum((1, 2)) + self.jitter**2 * jnp.arange(1, segments.shape[0])
        return (self.weights * jnp.sin(pushed @ theta) * jnp.exp(-variance / 2)).mean()


def assert_gradient_is_that_of_finite_differences(loss, vector):
    """Along three random directions; call it where floats have 64 bits."""
    both = jax.jit(jax.vmap(jax.value_and_grad(loss)))
    _, gradient = both(vector[None].repeat(2, 0))
    assert jnp.linalg.norm(gradient[0]) > 1e-3
    for seed in range(3):
        direction = jr.normal(jr.key(seed), vector.shape)
        direction = 1e-6 * direction / jnp.linalg.norm(direction)
        (plus, minus), _ = both(vector + jnp.array([[1], [-1]]) * direction)
        np.testing.assert_allclose((plus - minus) / 2, gradient[0] @ direction, rtol=1e-4)
