"""A command of one's own. Run: metarule own_command:count default, in this folder."""

import equinox as eqx
import jax
from metarule import BadInput, load_rule


def count(arguments):
    """Prints the number of meta-parameters of each rule that is named."""
    if not arguments:
        raise BadInput("Name one or more rules: metarule own_command:count default.")
    for name in arguments:
        learned = jax.tree.leaves(eqx.filter(load_rule(name), eqx.is_inexact_array))
        print(f"{name}: {sum(leaf.size for leaf in learned):,} meta-parameters")
    return 0
