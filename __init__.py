"""Metarule: learning the learning rule.

The subpackages are `models` (base models), `tasks` (data), `rules` (update rules), `meta` (meta-learning), `testing`
(checks for your own classes) and `launch` (the command line). `metarule.UnsupervisedEncoder` fits a trained rule in
scikit-learn's form; `metarule.pretrained` loads one.

This file imports nothing itself, so that `metarule --help` is instant and every class exists once: its names are
imported at their first use.
"""

from importlib import import_module


_PLACES = {"pretrained": "encoders._trained_rule", "UnsupervisedEncoder": "encoders._unsupervised_encoder"}

__all__ = ["pretrained", "UnsupervisedEncoder"]


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.launch.{_PLACES[name]}"), name)
