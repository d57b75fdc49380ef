"""When is an implicit meta-gradient right? Run: python docs/implicit.py, for the two tables of docs/estimators.md."""

from typing import final

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float
from metarule.meta import AbstractProblem, Length
from metarule.meta.estimators import Implicit, Population, TruncatedBackprop


@final
class Ridge(AbstractProblem):
    """Gradient descent on least squares with a penalty exp(theta); the loss is the error on other examples.

    A step takes one of some fixed batches at random: of a single one the data are frozen, and descent comes to rest.
    """

    x: Float[Array, "batch example feature"]
    y: Float[Array, "batch example"]
    query_x: Float[Array, "query feature"]
    query_y: Float[Array, " query"]
    horizon: Length = Length(400)
    rate: float = 0.1

    def init(self, theta, key):
        return jnp.zeros(self.x.shape[2])

    def step(self, theta, w, key):
        batch = jr.randint(key, (), 0, len(self.x))
        x, y = self.x[batch], self.y[batch]
        w = w - self.rate * (x.T @ (x @ w - y) / len(y) + jnp.exp(theta) * w)
        return w, 0.5 * ((self.query_x @ w - self.query_y) ** 2).mean()


def problem(batches, examples=40, features=5):
    """The same examples, in so many batches."""
    keys = jr.split(jr.key(0), 4)
    slopes = jr.normal(keys[0], (features,))
    x, query_x = jr.normal(keys[1], (examples, features)), jr.normal(keys[2], (examples, features))
    y, query_y = (each @ slopes + jr.normal(key, (examples,)) for each, key in zip((x, query_x), jr.split(keys[3])))
    return Ridge(x.reshape(batches, -1, features), y.reshape(batches, -1), query_x, query_y)


def long_run_loss(ridge, theta):
    """The expected loss after many steps, in closed form.

    A step is w <- M w + g with one of some pairs (M, g), so that the mean m of w solves m = E[M] m + E[g], and its
    second moment S solves S = E[M S M' + M m g' + g m' M' + g g']: linear equations both.
    """
    size = ridge.x.shape[2]
    hessians = jnp.einsum("bei,bej->bij", ridge.x, ridge.x) / ridge.x.shape[1]
    m = jnp.eye(size) - ridge.rate * (hessians + jnp.exp(theta) * jnp.eye(size))
    g = ridge.rate * jnp.einsum("bei,be->bi", ridge.x, ridge.y) / ridge.x.shape[1]
    mean = jnp.linalg.solve(jnp.eye(size) - m.mean(0), g.mean(0))
    cross = jnp.einsum("bij,j,bk->ik", m, mean, g) / len(m)
    known = cross + cross.T + jnp.einsum("bi,bj->ij", g, g) / len(m)
    twice = jnp.einsum("bij,bkl->ikjl", m, m).reshape(size**2, size**2) / len(m)
    second = jnp.linalg.solve(jnp.eye(size**2) - twice, known.reshape(-1)).reshape(size, size)
    x, y = ridge.query_x, ridge.query_y
    return 0.5 * (((x @ second) * x).sum(1) - 2 * y * (x @ mean) + y**2).mean()


THETA = jnp.array(-1.0)


def estimated(estimator, ridge, windows=1):
    """The estimate of the last of so many windows: gradient, standard error and diagnostics."""
    state, one = estimator.init(ridge, THETA, jr.key(1)), None
    estimate = jax.jit(estimator.estimate)
    for index in range(windows):
        one, state = estimate(ridge, THETA, state, jr.fold_in(jr.key(2), index))
    assert one is not None
    return float(one.grad), float(one.variance) ** 0.5, {name: float(each) for name, each in one.diagnostics.items()}


def main(particles=4000):
    frozen, fresh = problem(1), problem(20)
    exact = float(jax.grad(lambda theta: long_run_loss(frozen, theta))(THETA))
    print(f"frozen data: closed form {exact:.4f}")
    for terms in (1, 5, 10, 20, 50, 100):
        gradient, _, more = estimated(Implicit(Population(1), terms, clip=None), frozen)
        print(f"| {terms} | {gradient:.4f} | {100 * (gradient / exact - 1):+.1f} % | {more['adjoint']:.2g} |")
    exact = float(jax.grad(lambda theta: long_run_loss(fresh, theta))(THETA))
    print(f"fresh batches: closed form {exact:.4f}")
    many = Population(particles, stagger=False)
    for name, estimator, windows in (
        ("implicit, 100 terms, one batch for all", Implicit(many, 100, clip=None), 1),
        ("implicit, 100 terms, a batch for each", Implicit(many, 100, fresh=True, clip=None), 1),
        ("backpropagation through the last 100 steps", TruncatedBackprop(many, 100, None), 4),
    ):
        gradient, error, more = estimated(estimator, fresh, windows)
        left = f"{more['adjoint']:.2g}" if "adjoint" in more else ""
        print(f"| {name} | {gradient:.4f} ± {error:.4f} | {100 * (gradient / exact - 1):+.1f} % | {left} |")


if __name__ == "__main__":
    main()
