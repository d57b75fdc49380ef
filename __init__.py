"""Metarule: learning the learning rule.

The subpackages are `models` (base models), `tasks` (data), `rules` (update rules), `meta` (meta-learning), `testing`
(checks for your own classes) and `launch` (the command line). `metarule.UnsupervisedEncoder` fits a trained rule in
scikit-learn's form; `metarule.pretrained` loads one.

This file imports nothing itself, so that `metarule --help` is instant and every class exists once: its names are
imported at their first use.
"""

from importlib import import_module


_PLACES = {
    "AbstractEncoder": "launch.encoders._encoder",
    "AbstractHostEncoder": "launch.encoders._encoder",
    "BadInput": "errors",
    "Drawing": "launch.figures._request",
    "EncoderCost": "launch.encoders._encoder",
    "EncoderInputs": "launch.encoders._encoder",
    "Evaluation": "launch.evaluation._evaluate",
    "evaluate": "launch.evaluation._evaluate",
    "FigureRequest": "launch.figures._request",
    "load_rule": "launch.encoders._trained_rule",
    "meta_train": "launch.training._meta_train",
    "pretrained": "launch.encoders._trained_rule",
    "save_rule": "launch.training._meta_train",
    "standings": "launch.evaluation._standings",
    "UnsupervisedEncoder": "launch.features._unsupervised_encoder",
}

__all__ = list(_PLACES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
