from collections.abc import Mapping


_REST = 0.1
"""The largest share that the last term of an implicit gradient's series may still have for the series to have ended."""


def unrest(measured: Mapping[str, float]) -> str | None:
    """What to tell the user of a meta-step whose implicit gradient is not one: None where inner loops came to rest."""
    left = measured.get("adjoint", 0.0)
    if left <= _REST:
        return None
    return (
        f"The inner loops have not come to rest: the last term of the implicit gradient still has {left:.0%} of the "
        "largest one's size, so that the gradient means little. Take more --estimator.terms, a longer --horizon.low, "
        "or another --estimator such as tbptt."
    )
