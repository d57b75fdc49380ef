"""Where inputs and labels come from, and how features are scored."""

from ._affine import Affine as Affine
from ._augmentation import AbstractAugmentation as AbstractAugmentation
from ._bad_input import BadInput as BadInput
from ._data_set import as_inputs as as_inputs, DataSet as DataSet
from ._embedded import Embedded as Embedded, embedded as embedded
from ._from_arrays import from_arrays as from_arrays
from ._full_precision import full_precision as full_precision
from ._glyphs import Glyphs as Glyphs, glyphs as glyphs
from ._image_tasks import ImageTask as ImageTask, ImageTasks as ImageTasks
from ._light import Contrast as Contrast, Noise as Noise, Shade as Shade
from ._load import Known as Known, known as known, load as load
from ._load_inputs import load_inputs as load_inputs, Part as Part
from ._pool import join as join, Pool as Pool
from ._readouts import (
    accuracy as accuracy,
    logistic_scores as logistic_scores,
    PrincipalAxes as PrincipalAxes,
    ridge_scores as ridge_scores,
)
from ._resize import resize as resize
from ._scaling import Scaling as Scaling
from ._shapes import shapes as shapes
from ._silhouettes import silhouettes as silhouettes
from ._split import few_shot_indices as few_shot_indices
from ._stroke import Blur as Blur, Thicken as Thicken
from ._tasks import AbstractTasks as AbstractTasks, Episode as Episode
from ._tfds import prepare as prepare
from ._topics import topics as topics
from ._vector_tasks import VectorTask as VectorTask, VectorTasks as VectorTasks
