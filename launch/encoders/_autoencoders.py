from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ...models import Convolutional, Model, unlabelled
from ...rules import Linear
from ._encoder import AbstractEncoder, EncoderCost, EncoderInputs, Features, Statistics
from ._fan_in import FanIn
from ._minimise import minimise


@final
class VAE(AbstractEncoder):
    """The latent mean of a variational autoencoder (arXiv 1312.6114) whose encoder is the base model.

    Mean and log-variance are linear in the base model's features and as many. The decoder has the encoder's layers in
    reverse. Inputs are Gaussian with one variance, the likeliest one (arXiv 2006.13202), so that pixels, words and
    columns of tables need no weighting of the two losses. Trained by Adam on random unlabelled batches.
    """

    architecture: FanIn
    steps: Int[Array, ""] | int = 3000
    step_size: Float[Array, ""] | float = 3e-3
    batch_size: int = eqx.field(static=True, default=100)
    statistics: Statistics = eqx.field(static=True, default="batch")

    def __call__(self, problem: EncoderInputs, key: PRNGKeyArray) -> Features:
        start_key, key = jr.split(key)
        start = _Autoencoder.create(self.architecture, problem.train.shape[1], start_key)

        def loss(autoencoder, key):
            row_key, noise_key = jr.split(key)
            rows = jr.randint(row_key, (self.batch_size,), 0, len(problem.train))
            return autoencoder.loss(problem.train[rows], noise_key)

        trained = minimise(loss, start, self.steps, optax.adam(self.step_size), key)
        support, query = problem.features(trained.encoder, self.statistics)
        return trained.mean(support), trained.mean(query)

    def account(self, train: int) -> EncoderCost:
        return EncoderCost(int(self.steps), train, self.statistics)


@final
class Denoising(AbstractEncoder):
    """The features of a denoising autoencoder (Vincent et al., ICML 2008) whose encoder is the base model.

    A share `masked` of an example's inputs is set to zero, which is black, a word that is missing, or the mean of a
    table's column; a decoder with the encoder's layers in reverse has to find all of them again, with the least squared
    error. Trained by Adam on random unlabelled batches.

    Convolutions are trained on a crop of each image, as a rule is, and whole pixels are masked. Raises `BadInput` when
    called, for a transformer.
    """

    architecture: FanIn
    steps: Int[Array, ""] | int = 3000
    step_size: Float[Array, ""] | float = 3e-3
    masked: Float[Array, ""] | float = 0.5
    batch_size: int = eqx.field(static=True, default=100)
    statistics: Statistics = eqx.field(static=True, default="batch")

    def __call__(self, problem: EncoderInputs, key: PRNGKeyArray) -> Features:
        return self.architecture.features_of(problem, self.trained(problem, key).encoder, self.statistics)

    def trained(self, problem: EncoderInputs, key: PRNGKeyArray) -> "_Perceptrons | _Convolutions":
        """The trained autoencoder: from examples or images, masked or not, to as many like them."""
        start_key, decoder_key, output_key, key = jr.split(key, 4)
        train = self.architecture.seen(problem, problem.train)
        encoder = self.architecture(train.shape[1:], start_key)
        if isinstance(self.architecture.architecture, Convolutional):
            start = _Convolutions.create(encoder, train.shape[-1])
        else:
            output = _output(self.architecture, train.shape[1], output_key)
            start = _Perceptrons(encoder, self.architecture.reversed(decoder_key), output)

        def loss(autoencoder, key):
            row_key, mask_key = jr.split(key)
            draw = lambda key: train[jr.randint(key, (self.batch_size,), 0, len(train))]
            x = unlabelled(autoencoder.encoder, draw, row_key)
            each = x.shape if x.ndim == 2 else (*x.shape[:-1], 1)  # One colour of a pixel would tell the others.
            masked = jr.bernoulli(mask_key, self.masked, each)
            return ((autoencoder(jnp.where(masked, 0, x)) - x) ** 2).mean()

        return minimise(loss, start, self.steps, optax.adam(self.step_size), key)

    def account(self, train: int) -> EncoderCost:
        return EncoderCost(int(self.steps), train, self.statistics)


@final
class _Perceptrons(eqx.Module):
    encoder: Model
    decoder: Model
    output: Linear

    def __call__(self, x: Float[Array, "batch input"]) -> Float[Array, "batch input"]:
        features, _ = self.encoder(x)
        hidden, _ = self.decoder(features)
        return self.output(hidden)


@final
class _Convolutions(eqx.Module):
    """Up the encoder, and from the places of its last population back down the same wires, by its feedback weights.

    On the way down populations have their normalisation and nonlinearity again, but biases of their own.
    """

    encoder: Model
    biases: tuple[Float[Array, " _unit"], ...]
    """Of all populations but the last, the image first."""

    @classmethod
    def create(cls, encoder: Model, colours: int) -> "_Convolutions":
        return cls(encoder, (jnp.zeros(colours), *(jnp.zeros_like(layer.bias) for layer in encoder.layers[:-1])))

    def __call__(self, x: Float[Array, "batch height width colour"]) -> Float[Array, "batch height width colour"]:
        *below, values = self.encoder.trace(x).values
        layers = self.encoder.layers
        for index in reversed(range(len(layers))):
            (connection,) = layers[index].connections
            like = jax.ShapeDtypeStruct(below[index].shape, below[index].dtype)
            values = connection.wire.down(values @ connection.synapse.v.T, like, None)
            if index:
                same = layers[index - 1]
                z = same.normalised(values.reshape(-1, values.shape[-1])) + self.biases[index]
                values = same.activation(z).reshape(values.shape)
        return values + self.biases[0]


def _output(architecture: FanIn, inputs: int, key: PRNGKeyArray) -> Linear:
    """From a decoder's last layer to inputs."""
    first, *_ = architecture.widths
    return Linear.create(first, inputs, key)


@final
class _Autoencoder(eqx.Module):
    encoder: Model
    mean: Linear
    log_variance: Linear
    decoder: Model
    output: Linear

    @classmethod
    def create(cls, architecture: FanIn, inputs: int, key: PRNGKeyArray) -> "_Autoencoder":
        keys = jr.split(key, 5)
        features = architecture.features
        return cls(
            architecture((inputs,), keys[0]),
            Linear.create(features, features, keys[1]),
            Linear.create(features, features, keys[2]),
            architecture.reversed(keys[3]),
            _output(architecture, inputs, keys[4]),
        )

    def loss(self, x: Float[Array, "batch input"], key: PRNGKeyArray) -> Float[Array, ""]:
        """The negative evidence lower bound (ELBO), in nats for each example, but for a constant."""
        features, _ = self.encoder(x)
        mean, log_variance = self.mean(features), self.log_variance(features)
        hidden, _ = self.decoder(mean + jnp.exp(log_variance / 2) * jr.normal(key, mean.shape))
        error = ((self.output(hidden) - x) ** 2).mean()
        divergence = (jnp.exp(log_variance) + mean**2 - 1 - log_variance).sum(1).mean() / 2
        return x.shape[1] / 2 * jnp.log(error + 1e-6) + divergence
