from jaxtyping import Array, Float

from ._moments import Moments


def plain_mean(
    halves: tuple[Moments, Moments],
) -> tuple[Float[Array, " parameter"], Float[Array, " parameter"], dict[str, Float[Array, ""]]]:
    """Returns the mean over all groups, its variance and no diagnostics: `combine` of most estimators."""
    moments = halves[0].merge(halves[1])
    return moments.mean, moments.variance_of_mean, {}
