"""Where inputs and labels come from, and how features are scored."""

from ._bad_input import BadInput as BadInput
from ._tasks import AbstractTasks as AbstractTasks, Episode as Episode
