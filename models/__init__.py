"""What is being trained: synapses, the activities that a rule may see, layers and models."""

from ._frozen import freeze as freeze, FrozenDense as FrozenDense
from ._layer import AbstractLayer as AbstractLayer, Dense as Dense
from ._model import Model as Model, MultiLayerPerceptron as MultiLayerPerceptron
from ._synapse import Activity as Activity, Synapse as Synapse
