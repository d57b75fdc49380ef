import equinox as eqx
from jaxtyping import Array, Float, Int, PyTree


class Particle(eqx.Module):
    """One particle between two windows: what its estimator carries, and where its unroll stands.

    `carried` is whatever `AbstractParticles.start` and `advance` return: the inner state or states, and what the
    estimator remembers of the unroll. `age` is the number of steps taken, `length` the number at which the unroll ends,
    `windows` the number of windows taken. At age 0 the next window begins a new unroll.
    """

    carried: PyTree
    age: Int[Array, "*particle"]
    length: Int[Array, "*particle"]
    windows: Int[Array, "*particle"]


class ParticlesState(eqx.Module):
    """The state of an estimator with particles: all of them, stacked along the first axis, and the meta-steps taken."""

    particles: Particle
    meta_step: Int[Array, ""]


class WindowResult(eqx.Module):
    """What one particle has found in one window.

    `loss` is the sum of the losses of its steps. The particle's estimate of the gradient is `signal` times `direction`,
    if `AbstractParticles.contribution` does not say otherwise. The two are apart for two reasons: signals may be shaped
    together (`AbstractShaping`), and the directions of all particles at once would need too much memory. Where
    `direction` has been dropped and is None, `contribution` makes it again from `recipe`, which is small: keys, say.
    Every entry of `diagnostics` is averaged over particles and becomes a metric.
    """

    loss: Float[Array, "*particle"]
    signal: Float[Array, "*particle"]
    direction: PyTree
    recipe: PyTree
    diagnostics: dict[str, Float[Array, "*particle"]]
