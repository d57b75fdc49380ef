from .._encoders import LEARNED
from .._plots import panels
from .._rule_file import load_rule
from .._rules import build
from ._asked import Asked, curves, of_task
from ._drawing import Drawing
from ._snapshots import snapshots


def transfer(asked: Asked) -> Drawing:
    """Accuracy of the rule along its meta-training, as the run kept it; --values are meta-steps."""
    rules = {step: load_rule(path, build) for step, path in snapshots(asked).items()}
    *_, start = LEARNED
    still = asked.score((start,), asked.use.architecture)
    rows = []
    for step, rule in rules.items():
        print(f"meta-step {step}", flush=True)
        rows += [{"meta_step": step, **row} for row in asked.score(("meta-trained",), asked.use.architecture, rule)]
        rows += [{"meta_step": step, **row} for row in still]
    figure, panes = panels(len(asked.tasks))
    for axes, task in zip(panes, asked.tasks):
        curves(axes, of_task(rows, task), "meta_step")
        axes.set_xlabel("meta-steps")
    caption = (
        "The moving average of the meta-parameters along the run, the untrained rule at step 0, on data that it was "
        f"not meta-trained on. {asked.protocol}"
    )
    return Drawing(figure, "Transfer along meta-training", caption, rows)
