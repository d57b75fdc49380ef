import functools
import math
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..kernels._linear import Linear, read_together
from ..kernels._states import States
from ._site import Site
from ._terms import AbstractTerm


@functools.partial(jax.jit, static_argnums=1)  # Terms of one shape are traced once.
def bounded(change: Float[Array, "pre post"], epsilon: float) -> Float[Array, "pre post"]:
    """Divides every receptive field's change by its root mean square, softened by `epsilon`: a step can't explode."""
    return change * jax.lax.rsqrt(epsilon + (change**2).mean(0))


@final
class WeightChange(eqx.Module):
    """Merges the terms into one bounded change of a weight matrix (arXiv 1804.00222, released code).

    `shrinkage` is the share that stays of the component which would shrink the weights: 0 as released, 1 switches
    the norm-preserving projection off. `growth` is the constant outward pull, in units of a receptive field's RMS.
    """

    terms: tuple[AbstractTerm, ...]
    coefficients: Float[Array, " term"]
    offset: Float[Array, ""]
    epsilon: float = eqx.field(static=True, default=1.0)
    shrinkage: float = eqx.field(static=True, default=0.0)
    growth: float = eqx.field(static=True, default=1 / 7)

    @classmethod
    def create(cls, terms: tuple[AbstractTerm, ...], epsilon: float = 1.0) -> "WeightChange":
        """The sum of these terms, each with a coefficient of 0.1."""
        return cls(terms, jnp.full(len(terms), 0.1), jnp.zeros(()), epsilon)

    def with_term(self, term: AbstractTerm, coefficient: float = 0.1) -> "WeightChange":
        """The change with one more term."""
        more = jnp.append(self.coefficients, coefficient).astype(self.coefficients.dtype)
        return eqx.tree_at(lambda it: (it.terms, it.coefficients), self, ((*self.terms, term), more))

    @eqx.filter_jit  # Layers that are alike are traced once.
    def __call__(self, site: Site) -> Float[Array, "pre post"]:
        count = len(self.terms)
        merged = sum(c * bounded(x, self.epsilon) for c, x in zip(self.coefficients, self.changes(site)))
        change = (merged + self.offset) / count
        shrinking = jnp.maximum(0.0, (change * site.weights).mean())
        change = change - (1 - self.shrinkage) * shrinking * site.weights
        return bounded(change / math.sqrt(count), self.epsilon) - self.growth * site.weights

    @eqx.filter_jit
    def parts(self, site: Site) -> dict[str, Float[Array, "part pre post"]]:
        """What the change is the sum of: `terms`, one part for each, `offset`, `projection` and `growth`.

        What bounds the sum as a whole bounds each of its parts alike.
        """
        count = len(self.terms)
        pushes = [c * bounded(x, self.epsilon) / count for c, x in zip(self.coefficients, self.changes(site))]
        offset = jnp.full_like(site.weights, self.offset / count)
        merged = sum(pushes, offset)
        shrinking = jnp.maximum(0.0, (merged * site.weights).mean())
        projection = -(1 - self.shrinkage) * shrinking * site.weights
        scale = jax.lax.rsqrt(self.epsilon + ((merged + projection) ** 2 / count).mean(0)) / math.sqrt(count)
        parts = {"terms": jnp.stack(pushes), "offset": offset[None], "projection": projection[None]}
        return {
            **{name: scale * part for name, part in parts.items()},
            "growth": -self.growth * site.weights[None],
        }

    def parts_of_step(
        self, site: Site, weights: Float[Array, "pre post"], decay: float, step_size: Float[Array, ""]
    ) -> dict[str, Float[Array, "part pre post"]]:
        """What is added to the weights in a step: its parts, and `decay`."""
        found = self.parts(site) | {"decay": decay * weights[None]}
        return {name: -step_size * part for name, part in found.items()}

    def changes(self, site: Site) -> list[Float[Array, "pre post"]]:
        """What each term asks for."""
        upper = iter(read_together([readout for term in self.terms for readout in term.upper], site.upper))
        lower = iter(read_together([readout for term in self.terms for readout in term.lower], site.lower))
        return [term(site, [next(upper) for _ in term.upper], [next(lower) for _ in term.lower]) for term in self.terms]


@final
class BiasChange(eqx.Module):
    """A bounded change of the biases, read from the hidden states; on average over the units they may not fall."""

    readout: Linear

    def __call__(self, upper: States) -> Float[Array, " post"]:
        change = self.readout.of(upper).first[0].mean(0)
        change = change + jnp.maximum(0.0, -change.mean())
        return change * jax.lax.rsqrt(0.5 + (change**2).mean())
