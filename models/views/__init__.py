"""What stands beside a base model's features? What the inputs are, where their clusters and their neighbours are."""

from ._form import (
    check_mirroring as check_mirroring,
    Form as Form,
    mirror_image as mirror_image,
    Mirroring as Mirroring,
)
from ._k_means import lloyd as lloyd, Prototypes as Prototypes, triangle as triangle
from ._memory import Memory as Memory
from ._patch_components import (
    halves as halves,
    image_by_image as image_by_image,
    of_like_contrast as of_like_contrast,
    PatchComponents as PatchComponents,
    QUADRANTS as QUADRANTS,
    Window as Window,
)
from ._principal import PrincipalComponents as PrincipalComponents
from ._stand_ins import stand_in as stand_in, StandIn as StandIn
from ._views import FINE as FINE, Views as Views, ViewSizes as ViewSizes
from ._word_weights import WordWeights as WordWeights
