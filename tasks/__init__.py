"""Where inputs and labels come from, and how features are scored."""

from ._image_tasks import ImageTask as ImageTask, ImageTasks as ImageTasks
from ._pool import join as join, Pool as Pool
from ._readouts import (
    accuracy as accuracy,
    logistic_scores as logistic_scores,
    PrincipalAxes as PrincipalAxes,
    ridge_errors as ridge_errors,
    ridge_scores as ridge_scores,
)
from ._tasks import AbstractTasks as AbstractTasks, Episode as Episode
from ._vector_tasks import VectorTask as VectorTask, VectorTasks as VectorTasks
from .augmentation._affine import Affine as Affine
from .augmentation._augmentation import AbstractAugmentation as AbstractAugmentation
from .augmentation._light import Contrast as Contrast, PixelNoise as PixelNoise, Shade as Shade
from .augmentation._stroke import Blur as Blur, Thicken as Thicken
from .catalogue._load import Known as Known, known as known, load as load
from .catalogue._load_inputs import load_inputs as load_inputs
from .catalogue._origins import Origin as Origin, origin as origin
from .catalogue._own import Chosen as Chosen, own_paths as own_paths
from .catalogue._suites import suite_data_sets as suite_data_sets, SUITES as SUITES, TRAINING as TRAINING
from .columns._columns import Columns as Columns
from .data._data_set import as_inputs as as_inputs, DataSet as DataSet
from .data._examples import (
    as_examples as as_examples,
    chunks as chunks,
    count as count,
    Examples as Examples,
    Frame as Frame,
    has_label as has_label,
    Part as Part,
    Sparse as Sparse,
    take as take,
)
from .data._from_arrays import from_arrays as from_arrays
from .data._pixels import as_pixels as as_pixels, picture as picture, shape_of_images as shape_of_images
from .data._preparation import Preparation as Preparation
from .data._resize import resize as resize
from .data._scaling import Scaling as Scaling
from .data._split import few_shot_indices as few_shot_indices
from .data._tfds import prepare as prepare
from .made_up._embedded import Embedded as Embedded, embedded as embedded
from .made_up._glyphs import Glyphs as Glyphs, glyphs as glyphs
from .made_up._random_tables import RandomTable as RandomTable, RandomTables as RandomTables
from .made_up._shapes import shapes as shapes
from .made_up._silhouettes import silhouettes as silhouettes
from .made_up._topics import topics as topics
