from jaxtyping import Array, Float

from ._form import Form
from ._patch_components import PatchComponents
from ._word_weights import WordWeights


StandIn = PatchComponents | WordWeights
"""What stands in the place of an example's inputs beside the features."""


def stand_in(x: Float[Array, "example input"], form: Form) -> StandIn | None:
    """What is made of these examples for examples like them. None where the inputs stand for themselves, as those of
    images do that have less than four pixels along a side."""
    if form.words:
        return WordWeights.of(x)
    if form.image is None or min(form.image[:2]) < PatchComponents.LEAST:
        return None
    return PatchComponents.of(x, form.image, mirrored=form.mirrored)
