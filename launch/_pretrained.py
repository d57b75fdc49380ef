from ..rules import AbstractRule
from ._configuration import choose
from ._rule_file import load_rule, shipped
from ._rules import build


def pretrained(name: str = "default") -> AbstractRule:
    """A meta-trained rule that comes with the package, ready to update any base model.

    Raises `BadInput` for an unknown name, with the known ones. `metarule info NAME` prints a rule's card.
    """
    return load_rule(choose(name, shipped(), "rule"), build)
