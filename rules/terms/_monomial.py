from typing import final

import equinox as eqx
import jax
from jaxtyping import Array, Float

from ..kernels._linear import Linear
from ._site import Site, standardise
from ._terms import Above, AbstractTerm, Below


@final
class Monomial(AbstractTerm):
    """A product of powers of what a synapse knows: x^pre y^post w^weight, averaged over the batch.

    x is the activity below, standardised over the batch; y the activity above, in units of its root mean square over
    the population, so that a power of y tells active units from silent ones; w the weight. A rule subtracts its terms
    and this one is negative: with a positive coefficient the product strengthens the synapse.
    """

    pre: int = eqx.field(static=True)
    post: int = eqx.field(static=True)
    weight: int = eqx.field(static=True, default=0)
    upper: tuple[Linear, ...] = ()
    lower: tuple[Linear, ...] = ()

    @property
    def name(self) -> str:
        """The product, such as `xy2w` for x y^2 w."""
        powers = {"x": self.pre, "y": self.post, "w": self.weight}
        return "".join(letter + (str(power) if power > 1 else "") for letter, power in powers.items() if power)

    def __call__(self, site: Site, upper: Above, lower: Below) -> Float[Array, "pre post"]:
        x, y = standardise(site.activity.x), site.activity.y
        y = y * jax.lax.rsqrt((y**2).mean() + 1e-6)
        return -(site.weights**self.weight) * ((x**self.pre).T @ y**self.post / len(x))


MONOMIALS = tuple(
    Monomial(pre=pre, post=post, weight=weight)
    for weight in (0, 1, 2)
    for pre, post in ((0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2))
    if (pre, post, weight) != (1, 1, 0)
)
"""Those of up to second order in each of x, y and w that no other term stands for: of a standardised x the first power
alone is zero on average and the second is one; xy is `Hebbian`, and w is `WeightDecay`."""
