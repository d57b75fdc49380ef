from ...tasks import BadInput
from .._checkpoint_parts import read_part
from .._checkpoint_steps import steps_in
from .._encoders import LEARNED
from .._plots import panels
from .._run_folder import RunFolder
from ._asked import Asked, curves, of_task
from ._drawing import Drawing


def transfer(asked: Asked) -> Drawing:
    """Accuracy of the rule along its meta-training, at the checkpoints that its run keeps; --values are steps."""
    folder = RunFolder(asked.use.path.parent).checkpoints
    there = steps_in(folder)
    if not there:
        raise BadInput(f"There are no checkpoints in {folder}: give the folder of a run.")
    steps = asked.numbers(there, 1)
    missing = sorted(set(steps) - set(there))
    if missing:
        raise BadInput(f"{folder} has no checkpoint of step {missing[0]}; it has {', '.join(map(str, there))}.")
    _, *others = LEARNED
    rules = {0: asked.use.untrained()}
    rules |= {step: read_part(folder, step, "meta.average", asked.use.rule) for step in sorted(steps)}
    rows = []
    for step, rule in rules.items():
        print(f"meta-step {step}", flush=True)
        rows += [{"meta_step": step, **row} for row in asked.score(("meta-trained",), asked.use.architecture, rule)]
    still = asked.score(("random-init",), asked.use.architecture)
    rows += [{"meta_step": step, **row} for step in rules for row in still]
    figure, panes = panels(len(asked.tasks))
    for axes, task in zip(panes, asked.tasks):
        curves(axes, of_task(rows, task), "meta_step")
        axes.set_xlabel("meta-steps")
    caption = (
        "The moving average of the meta-parameters at the checkpoints of the run, and the untrained rule at step 0, "
        f"on data that it was not meta-trained on. {asked.protocol}"
    )
    return Drawing(figure, "Transfer along meta-training", caption, rows)
