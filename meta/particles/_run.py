import equinox as eqx
from jaxtyping import Array, Float, Int, PyTree


class Run(eqx.Module):
    """One particle between two windows: its inner state(s), what its estimator remembers, and its clock."""

    carried: PyTree
    age: Int[Array, "*particle"]
    length: Int[Array, "*particle"]
    windows: Int[Array, "*particle"]  # windows since the episode began


class ParticlesState(eqx.Module):
    """All particles' runs, stacked along their first axis, and the number of meta-steps taken."""

    runs: Run
    meta_step: Int[Array, ""]


class WindowResult(eqx.Module):
    """What a window told one particle.

    `loss` is summed over its steps. `signal` multiplies the direction, kept
    apart because signals may be shaped together, and because directions are too large to be held for all particles:
    where `direction` has been dropped, it is made again from the `recipe`.
    """

    loss: Float[Array, "*particle"]
    signal: Float[Array, "*particle"]
    direction: PyTree
    recipe: PyTree
    diagnostics: dict[str, Float[Array, "*particle"]]
