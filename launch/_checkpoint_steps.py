from pathlib import Path


def steps_in(folder: Path) -> tuple[int, ...]:
    """The steps that a run's folder of checkpoints holds, the latest last; nothing in it is touched."""
    whole = [each.parent.name for each in folder.glob("*/_CHECKPOINT_METADATA")]
    return tuple(sorted(int(name) for name in whole if name.isdecimal()))
