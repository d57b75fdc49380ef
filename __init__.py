"""Metarule: learning the learning rule.

The repository's root is the package `metarule`; its rooms are `models`, `tasks`, `rules`, `meta` and `launch`.
This file imports nothing by itself, so that `metarule --help` is instant and every class has one identity:
`metarule.UnsupervisedEncoder` is looked up when somebody asks for it.
"""

__all__ = ["UnsupervisedEncoder"]


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .launch._unsupervised_encoder import UnsupervisedEncoder

    return UnsupervisedEncoder
