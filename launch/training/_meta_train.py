import dataclasses
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...errors import BadInput
from ...meta import AbstractObjective
from ...meta.estimators import AbstractEstimator
from ...rules import AbstractRecipe, AbstractRule
from ...tasks import AbstractTasks
from ..caches._compilations import cache_compilations
from ..hosts._devices import Devices
from ..hosts._distributed import DistributedOptions
from ..options._estimators import with_estimator
from ..options._names import choose
from ..options._objectives import objective as named_objective
from ..options._presets import PRESETS
from ..options._recipes import as_recipe, configuration_of, recipe
from ..options._training import RunOptions, Training
from ..records._rule_file import save_rule as write
from ._meta_run import meta_run, MetaRun


def meta_train(
    rule: AbstractRule | AbstractRecipe | str | None = None,
    *,
    preset: str = "quick",
    estimator: AbstractEstimator | str | None = None,
    objective: AbstractObjective | str | None = None,
    tasks: AbstractTasks | None = None,
    run: str | Path | None = None,
    resume: bool = False,
    data_dir: str | Path | None = None,
    **settings: Any,
) -> MetaRun:
    """A whole run of meta-training as `metarule train` does it: checkpoints, metrics, snapshots, the table at its end.

    Rule, estimator, objective and tasks are objects, also of one's own classes, or names as on the command line; a rule
    is meta-trained from the arrays that it has. `settings` are the other options of `metarule train`, such as
    `steps=20` or `networks=("64-32",)`. An interrupted run goes on with `resume=True` and the same arguments, and ends
    with the same numbers as one that was never interrupted.

    Returns the run: its folder, the steps and seconds taken, and the rows of the table. Raises `BadInput` for what
    can't be, before anything is computed.
    """
    cache_compilations()
    training = choose(preset, PRESETS, "preset")
    known = {field.name for field in dataclasses.fields(Training)}
    for name in settings:
        if name not in known:
            raise BadInput(f"meta_train has no setting {name!r}; its settings are the options of `metarule train`.")
    if rule is not None:
        training = dataclasses.replace(training, rule=recipe(rule) if isinstance(rule, str) else as_recipe(rule))
    if isinstance(estimator, str):
        training = with_estimator(training, estimator)
    elif estimator is not None:
        training = dataclasses.replace(training, estimator=estimator)
    if objective is not None:
        chosen = named_objective(objective) if isinstance(objective, str) else objective
        training = dataclasses.replace(training, objective=chosen)
    training = dataclasses.replace(training, tasks=tasks, **settings)
    place = RunOptions(_path(run), resume, _path(data_dir))
    return meta_run(training, place, Devices(distribution=DistributedOptions()))


def save_rule(path: str | Path, rule: AbstractRule, **record: Any) -> None:
    """Writes a rule as a file without code, which `load_rule(path, like=...)` reads; `like` has the rule's class.

    `record` is what the file says of the rule's origin, as JSON; `network`, `activation`, `weight_scale`,
    `evaluation_steps` and `batch_size` in it are what the rule is used with by default. Raises `BadInput` where the
    file can't be written.
    """
    write(path, rule, configuration_of(as_recipe(rule)), {"metarule": version("metarule"), **record})


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
