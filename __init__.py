"""Metarule: learning the learning rule.

The repository's root is the package `metarule`; its rooms are `models`, `tasks`, `rules`, `meta` and `launch`.
This file imports nothing, so that `metarule --help` is instant and every class has one identity.
"""
