import abc

from jaxtyping import PRNGKeyArray

from ._rule import AbstractRule


class AbstractRecipe(abc.ABC):
    """How a rule is made from plain settings. Implement it as a frozen dataclass: its fields become options.

    A rule file holds a recipe's name and fields, so that a rule of the same structure can be made to hold its arrays.
    """

    @abc.abstractmethod
    def build(self, key: PRNGKeyArray) -> AbstractRule:
        """Returns a rule with fresh meta-parameters. Raises `BadInput` for settings that can't be."""
