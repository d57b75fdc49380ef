from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from ...models import Form
from ..encoders._encoder import AbstractEncoder, AbstractHostEncoder, EncoderCost, EncoderInputs, Features, Statistics
from ._programs import Programs


_Block = tuple[Float[Array, "support _"], Float[Array, "query _"]]
SeedFeatures = tuple[Float[Array, "seed support feature"], Float[Array, "seed query feature"]]


class EvaluationData(eqx.Module):
    """The inputs of a data set on the device: unlabelled ones, and those of a `EncoderInputs` for every seed.

    `answers` are the classes of the query examples, which no encoder is given.
    """

    train: Float[Array, "train input"]
    support: Float[Array, "seed support input"]
    labels: Int[Array, "seed support"]
    query: Float[Array, "seed query input"]
    answers: Int[Array, "seed query"]
    keys: Key[Array, " seed"]
    classes: int = eqx.field(static=True)
    form: Form = eqx.field(static=True, default=Form())

    def of_seed(self, seed: int) -> EncoderInputs:
        """What an encoder is given for one seed."""
        own = self.support[seed], self.labels[seed], self.query[seed]
        return EncoderInputs(self.train, *own, self.classes, self.form)


@final
class Joined(eqx.Module):
    """The features of several encoders side by side, each a block of total variance one over the labelled examples."""

    parts: tuple[AbstractEncoder | AbstractHostEncoder, ...]

    def account(self, train: int) -> EncoderCost:
        """What its features cost: steps and unlabelled examples of the part that has most of them."""
        accounts = [part.account(train) for part in self.parts]
        sources: set[Statistics] = {account.statistics for account in accounts}
        by_precedence: tuple[Statistics, ...] = "batch", "frozen", "none"
        return EncoderCost(
            max(account.steps for account in accounts),
            max(account.unlabelled for account in accounts),
            next(source for source in by_precedence if source in sources),
            any(account.transductive for account in accounts),
        )


Encoder = AbstractEncoder | AbstractHostEncoder | Joined


def features_of(encoder: Encoder, given: EvaluationData, programs: Programs) -> tuple[SeedFeatures, float]:
    """An encoder's features for all seeds, and the seconds that computing them took, without compilation."""
    if isinstance(encoder, Joined):
        parts = [features_of(part, given, programs) for part in encoder.parts]
        features, seconds = programs.run(_side_by_side, tuple(features for features, _ in parts))
        return features, seconds + sum(seconds for _, seconds in parts)
    if isinstance(encoder, AbstractHostEncoder):
        return programs.timed(lambda: _on_host(encoder, given))
    return programs.run(_traced, encoder, given)


def _traced(encoder: AbstractEncoder, given: EvaluationData) -> SeedFeatures:
    def one(
        support: Float[Array, "support input"],
        labels: Int[Array, " support"],
        query: Float[Array, "query input"],
        key: PRNGKeyArray,
    ) -> Features:
        own = support, labels, query
        return encoder(EncoderInputs(given.train, *own, given.classes, given.form), key)

    return jax.vmap(one)(given.support, given.labels, given.query, given.keys)


def _on_host(encoder: AbstractHostEncoder, given: EvaluationData) -> SeedFeatures:
    fitted = encoder.fit(np.asarray(given.train))
    support, query = zip(*(fitted(given.of_seed(seed), key) for seed, key in enumerate(given.keys)))
    return jnp.asarray(np.stack(support), jnp.float32), jnp.asarray(np.stack(query), jnp.float32)


@jax.vmap
def _side_by_side(blocks: Sequence[_Block]) -> Features:
    scaled = [_of_unit_variance(*block) for block in blocks]
    support, query = (jnp.concatenate(side, axis=1) for side in zip(*scaled))
    return support, query


def _of_unit_variance(support: Float[Array, "support feature"], query: Float[Array, "query feature"]) -> Features:
    """A block, centred and divided by one number: its total variance over the labelled examples becomes one."""
    mean, total = support.mean(0), support.var(0).sum()
    scale = jnp.where(total > 0, jax.lax.rsqrt(jnp.where(total > 0, total, 1)), 0)
    return scale * (support - mean), scale * (query - mean)
