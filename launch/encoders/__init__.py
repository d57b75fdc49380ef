"""What turns inputs into features: base models that a rule has fitted, and the baselines beside them."""

from ._encoder import (
    AbstractEncoder as AbstractEncoder,
    Account as Account,
    Features as Features,
    Problem as Problem,
    spread as spread,
    Statistics as Statistics,
)
from ._fan_in import FanIn as FanIn
from ._fitted import Fitted as Fitted
from ._k_means import KMeans as KMeans
from ._pca import PCA as PCA
from ._raw import Raw as Raw
from ._supervised import Supervised as Supervised
from ._vae import VAE as VAE
