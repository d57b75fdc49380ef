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
from ._k_means import lloyd as lloyd, Prototypes as Prototypes, triangle as triangle
from ._layer import Connection as Connection, Layer as Layer
from ._memory import Memory as Memory
from ._mixing import Mixing as Mixing
from ._model import Model as Model, Trace as Trace
from ._patches import Patches as Patches, Pool as Pool, random_crops as random_crops
from ._principal import principal_axes as principal_axes, PrincipalComponents as PrincipalComponents
from ._stand_ins import (
    are_words as are_words,
    halves as halves,
    image_by_image as image_by_image,
    PatchComponents as PatchComponents,
    QUADRANTS as QUADRANTS,
    stand_in as stand_in,
    StandIn as StandIn,
    Window as Window,
    WordWeights as WordWeights,
)
from ._synapse import Activity as Activity, Synapse as Synapse
from ._transformer import Transformer as Transformer
from ._views import FINE as FINE, Views as Views, ViewSizes as ViewSizes
from ._wire import AbstractWire as AbstractWire, Flatten as Flatten, Straight as Straight
