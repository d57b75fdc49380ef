from typing import final

import equinox as eqx
from jaxtyping import Array, Float, PyTree

from ._layer import Layer
from ._synapse import Activity, Synapse
from ._wire import AbstractWire, Straight


class Trace(eqx.Module):
    """Everything that a model did on one batch."""

    values: tuple[Float[Array, "example ... _unit"], ...]
    """Of each population, inputs first."""
    activities: tuple[tuple[Activity, ...], ...]
    """Of each layer's connections."""
    contexts: tuple[tuple[PyTree, ...], ...]
    """Of each layer's wires."""
    output: AbstractWire = Straight()
    """The model's own."""

    @property
    def features(self) -> Float[Array, "example feature"]:
        """What comes out of the last population, in one row for each example."""
        made = self.output.up(self.values[-1], self.output.context(self.values))
        return made.reshape(len(made), -1)


@final
class Model(eqx.Module):
    """Layers, each of which may receive from the inputs and from any layer below. Its features are the last one's.

    Where these have places, such as those of an image, the wire `output` makes features of them. `field` is the side in
    pixels of the square that one place of the last population sees, so that a crop of that size tells a local rule as
    much as a place of a whole image does; None where it sees whole examples.
    """

    layers: tuple[Layer, ...]
    output: AbstractWire = Straight()
    field: int | None = eqx.field(static=True, default=None)

    def __call__(
        self, x: Float[Array, " example *shape"]
    ) -> tuple[Float[Array, "example feature"], tuple[tuple[Activity, ...], ...]]:
        """Returns the features and, for each layer, the activities of its synapses."""
        trace = self.trace(x)
        return trace.features, trace.activities

    def trace(self, x: Float[Array, " example *shape"]) -> Trace:
        """Runs the model and returns what every population did."""
        values, activities, contexts = [x], [], []
        for layer in self.layers:
            y, activity, context = layer(values)
            values.append(y)
            activities.append(activity)
            contexts.append(context)
        return Trace(tuple(values), tuple(activities), tuple(contexts), self.output)

    def features(self, x: Float[Array, " example *shape"]) -> Float[Array, "example feature"]:
        """The features alone, as a call returns them, with nothing made that only a rule would look at."""
        values = [x]
        for layer in self.layers:
            values.append(layer.values(values))
        return Trace(tuple(values), (), (), self.output).features

    @property
    def synapses(self) -> tuple[Synapse, ...]:
        """The synapses of all layers, in the order of the layers' connections."""
        return tuple(synapse for layer in self.layers for synapse in layer.synapses)
