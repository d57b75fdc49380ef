import abc
from typing import Generic, TypeVar

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray


_Task = TypeVar("_Task")


class Episode(eqx.Module):
    """A labelled few-shot problem: a support set to fit a readout on and a query set to score it on.

    Targets are columns of numbers: first one-hot columns of the classes, then, where the tasks have any, regression
    targets (the coefficients of the augmentation that made each example).
    """

    support_x: Float[Array, " support *shape"]
    support_y: Float[Array, "support target"]
    query_x: Float[Array, " query *shape"]
    query_y: Float[Array, "query target"]


class AbstractTasks(eqx.Module, Generic[_Task]):
    """A distribution of tasks. The data live here, once; a task is small enough for every particle to carry one."""

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of one example: (inputs,) for vectors, (side, side, channels) for images in their own order."""

    @abc.abstractmethod
    def sample(self, key: PRNGKeyArray) -> _Task:
        """Draws a task."""

    @abc.abstractmethod
    def batch(self, task: _Task, key: PRNGKeyArray) -> Float[Array, " batch *shape"]:
        """Draws unlabelled examples of a task."""

    @abc.abstractmethod
    def episode(self, task: _Task, key: PRNGKeyArray) -> Episode:
        """Draws a labelled few-shot problem from a task: the only place where labels leave the room."""
