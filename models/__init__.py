"""What is being trained? Populations of units, joined by synapses behind wires."""

from ._architecture import (
    AbstractArchitecture as AbstractArchitecture,
    AbstractImageArchitecture as AbstractImageArchitecture,
    MultiLayerPerceptron as MultiLayerPerceptron,
)
from ._convolutional import (
    Convolutional as Convolutional,
    Kernel as Kernel,
    unlabelled as unlabelled,
)
from ._frozen import freeze as freeze, with_frozen as with_frozen
from ._layer import Connection as Connection, Layer as Layer
from ._mixing import Mixing as Mixing
from ._model import Model as Model, Trace as Trace
from ._patches import Patches as Patches, Pool as Pool, random_crops as random_crops
from ._synapse import Activity as Activity, Synapse as Synapse
from ._transformer import Transformer as Transformer
from ._wire import AbstractWire as AbstractWire, Flatten as Flatten, Straight as Straight
from .views import (
    check_mirroring as check_mirroring,
    FINE as FINE,
    Form as Form,
    halves as halves,
    image_by_image as image_by_image,
    lloyd as lloyd,
    Memory as Memory,
    mirror_image as mirror_image,
    Mirroring as Mirroring,
    of_like_contrast as of_like_contrast,
    PatchComponents as PatchComponents,
    PrincipalComponents as PrincipalComponents,
    Prototypes as Prototypes,
    QUADRANTS as QUADRANTS,
    stand_in as stand_in,
    StandIn as StandIn,
    triangle as triangle,
    Views as Views,
    ViewSizes as ViewSizes,
    Window as Window,
    WordWeights as WordWeights,
)
