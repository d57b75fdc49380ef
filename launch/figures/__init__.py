"""Pictures of what a rule does, each with the numbers in it and a sentence that explains it."""

from ._activations import activation as activation
from ._asked import Asked as Asked
from ._drawing import Drawing as Drawing
from ._filters import filters as filters
from ._generalisation import generalisation as generalisation
from ._moons import moons as moons
from ._sizes import depth as depth, width as width
from ._training import training as training
from ._transfer import transfer as transfer
