import dataclasses
import functools
import math
from importlib.metadata import version
from pathlib import Path
from typing import Any, final, NamedTuple

import jax.random as jr
import optax
from jaxtyping import PRNGKeyArray

from ...meta import InnerLoop, MetaLearner
from ...rules import AbstractRule
from ...tasks import DataSet
from ...testing import check_estimator_form, check_objective_form, check_rule_form, check_tasks_form
from ..evaluation._data import load_all
from ..evaluation._protocol import Protocol
from ..options._networks import first_of_each_kind, network
from ..options._problems import problems_of
from ..options._recipes import configuration_of
from ..options._training import Training
from ..records._description import describe, is_own
from ..records._rule_file import load_rule_like, locate_rule


class Schedule(NamedTuple):
    """Meta-steps in all, between validations and between checkpoints."""

    steps: int
    validate_every: int
    checkpoint_every: int


class Provenance(NamedTuple):
    """What a run's files say of it, as JSON."""

    configuration: dict[str, Any]
    """All settings: configuration.json."""
    rule: dict[str, Any]
    """How a rule of this structure is made: a rule file's configuration."""
    record: dict[str, Any]
    """Where the rule comes from, and the base model that it is scored with by default: a rule file's record."""
    step: dict[str, Any]
    """The settings that decide what a meta-step computes."""


@final
@dataclasses.dataclass(frozen=True)
class Experiment:
    """A run of meta-training and the table at its end, as objects: below this line nothing is chosen by a name."""

    rule: AbstractRule
    """What meta-training begins with."""
    untrained: AbstractRule
    """A rule of the same structure before any meta-training."""
    learner: MetaLearner
    validation: tuple[InnerLoop, ...]
    validation_steps: int
    protocol: Protocol
    """How the table is made."""
    held_out: list[DataSet]
    evaluation_steps: int
    schedule: Schedule
    provenance: Provenance
    key: PRNGKeyArray
    """The root of all keys."""

    @staticmethod
    def of(training: Training, data_dir: Path | None) -> "Experiment":
        """Resolves every name and loads all data: what can't be found is told now and not after hours.

        Raises `BadInput` for what can't be.
        """
        key = jr.key(training.seed)
        untrained = training.rule.build(jr.fold_in(key, 0))
        rule = first_rule(training, untrained)
        problems, validation = problems_of(training, data_dir)
        _check_own(training, rule, problems[0])
        protocol, held_out = protocol_of(training), load_all(training.held_out, data_dir, training.labels)
        for data_set in held_out:
            protocol.check(data_set)
        return Experiment(
            rule=rule,
            untrained=untrained,
            learner=MetaLearner(problems, training.estimator, optimiser_of(training), training.averaging),
            validation=validation,
            validation_steps=min(training.horizon.maximum, math.ceil(training.evaluation_steps / training.updates)),
            protocol=protocol,
            held_out=held_out,
            evaluation_steps=training.evaluation_steps,
            schedule=Schedule(training.steps, training.validate_every, training.checkpoint_every),
            provenance=_provenance(training),
            key=key,
        )


def _check_own(training: Training, rule: AbstractRule, problem: InnerLoop) -> None:
    """Raises `BadInput` if a class of the user's own does not return what its interface says, naming the method.

    Otherwise JAX would say so, half a minute later and about some place within.
    """
    if is_own(training.rule) or is_own(rule):
        check_rule_form(rule, problem.architecture, problem.tasks.shape)
    if training.tasks is not None:
        check_tasks_form(training.tasks)
    if is_own(training.objective):
        check_objective_form(training.objective, problem)
    if is_own(training.estimator):
        check_estimator_form(training.estimator, problem, rule)


def first_rule(training: Training, untrained: AbstractRule) -> AbstractRule:
    """The rule that meta-training begins with. Raises `BadInput` for a file that holds one of another architecture."""
    return untrained if training.start is None else load_rule_like(locate_rule(training.start), untrained)


def protocol_of(training: Training) -> Protocol:
    """How the final table of a training is made."""
    return Protocol(
        network(training.networks[0], training.activation, training.weight_scale),
        labels=training.labels,
        seeds=training.seeds,
        batch_size=training.batch_sizes[0],
    )


def optimiser_of(training: Training) -> optax.GradientTransformation:
    """Adam under a warm-up and a cosine decay to a tenth, on gradients of a norm of at most one; or plain steps."""
    return _optimiser(training.optimiser, training.learning_rate, training.steps)


@functools.cache  # One object for the same numbers: another one would have a meta-step compiled again.
def _optimiser(kind: str, learning_rate: float, steps: int) -> optax.GradientTransformation:
    if kind == "sgd":
        return optax.sgd(learning_rate)
    warm_up = min(20, steps // 10)
    schedule = optax.warmup_cosine_decay_schedule(
        0.1 * learning_rate, learning_rate, warm_up, max(steps, warm_up + 1), 0.1 * learning_rate
    )
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))


def _provenance(training: Training) -> Provenance:
    # The seed is in arrays; the table and the times of validations and checkpoints lie outside of a meta-step.
    step = dataclasses.replace(
        training, seed=0, validate_every=1, checkpoint_every=1, held_out=(), evaluation_steps=1, labels=1, seeds=1
    )
    record = {
        "preset": training.preset,
        "seed": training.seed,
        "estimator": describe(training.estimator),
        "start": training.start,
        "sources": list(training.sources),
        "side": training.side,
        **first_of_each_kind(training.networks),
        "activation": training.activation,
        "weight_scale": training.weight_scale,
        "batch_size": training.batch_sizes[0],
        "evaluation_steps": training.evaluation_steps,
        "metarule": version("metarule"),
    }
    if training.tasks is not None:
        record["sources"] = [describe(training.tasks)["class"]]
    return Provenance(describe(training), configuration_of(training.rule), record, describe(step))
