"""Metarule: learning the learning rule.

The repository's root is the package `metarule`; its rooms are `models`, `tasks`, `rules`, `meta` and `launch`.
This file imports nothing by itself, so that `metarule --help` is instant and every class has one identity:
`metarule.UnsupervisedEncoder` is looked up when somebody asks for it.
"""

from importlib import import_module


_PLACES = {"pretrained": "encoders._trained_rule", "UnsupervisedEncoder": "encoders._unsupervised_encoder"}

__all__ = ["pretrained", "UnsupervisedEncoder"]


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.launch.{_PLACES[name]}"), name)
