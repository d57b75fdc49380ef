from typing import final, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int, PRNGKeyArray

from ...errors import BadInput


class ParticleKeys(eqx.Module):
    """The keys of one particle at one meta-step, derived from its global index alone.

    Those for data and starting points are the same for all particles of a task.
    """

    begin: PRNGKeyArray  # of the state at the start of an episode
    length: PRNGKeyArray  # of an episode's length
    steps: PRNGKeyArray  # of the window's steps
    own: PRNGKeyArray  # of this particle's noise
    meta_step: Int[Array, ""]


class Share(NamedTuple):
    """The groups that one device has, the members of each, and how many of both it computes at a time."""

    groups: int
    members: int
    block: tuple[int, int]


@final
class Population(eqx.Module):
    """How many runs there are, and how they share the machine.

    There are `tasks` x `per_task` particles; those of one task meet the same data and differ in noise (an antithetic
    pair is one particle). `chunk` particles are computed at a time by each device, None for all at once: fewer need
    less memory and give the same numbers. With `stagger` the first episodes are cut short at different windows, so that
    the particles stand at different places of their episodes ever after.

    An estimate's variance is that between tasks or, if there is but one, between its particles: then it does not tell
    what another task would have changed.

    Raises `BadInput` for a number below 1 or a chunk that does not divide the particles evenly.
    """

    tasks: int = eqx.field(static=True, default=8)
    per_task: int = eqx.field(static=True, default=1)
    chunk: int | None = eqx.field(static=True, default=None)
    stagger: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        if self.tasks < 1 or self.per_task < 1:
            raise BadInput(
                f"A population needs 1 or more tasks and particles per task; got {self.tasks} and {self.per_task}."
            )
        if self.chunk is not None:
            groups, members = self.grid
            block = self.block
            if self.chunk < 1 or groups % block[0] or members % block[1] or block[0] * block[1] != self.chunk:
                raise BadInput(
                    f"A chunk of {self.chunk} does not split {self.tasks} tasks with {self.per_task} particles each "
                    "evenly: take a divisor of the particles per task, or a multiple of them that divides the total."
                )

    @property
    def count(self) -> int:
        """Particles in all."""
        return self.tasks * self.per_task

    @property
    def grid(self) -> tuple[int, int]:
        """Independent groups, and members in each: tasks and their particles, or one task's particles by themselves."""
        return (self.tasks, self.per_task) if self.tasks > 1 else (self.per_task, 1)

    @property
    def block(self) -> tuple[int, int]:
        """Groups and members computed at a time."""
        groups, members = self.grid
        if self.chunk is None:
            return groups, members
        return max(1, self.chunk // members), max(1, min(self.chunk, members))

    def share(self, devices: int) -> Share:
        """What each of so many devices has to do. Raises `BadInput` where they can't all have the same."""
        (groups, members), (some_groups, some_members) = self.grid, self.block
        what = "tasks" if self.tasks > 1 else "particles of the only task"
        if groups % devices:
            fitting = [str(each) for each in range(1, groups + 1) if groups % each == 0]
            raise BadInput(
                f"{groups} {what} can't be shared evenly by {devices} devices: "
                f"take a multiple of {devices}, or {_either(fitting)} devices."
            )
        groups //= devices
        some_groups = min(some_groups, groups)
        if groups % some_groups:
            raise BadInput(
                f"Each of {devices} devices has {groups} {what}, which a chunk of {self.chunk} particles does not "
                f"split evenly: take a chunk that does, or none."
            )
        return Share(groups, members, (some_groups, some_members))

    def keys(self, key: PRNGKeyArray, meta_step: Int[Array, ""]) -> ParticleKeys:
        """Every particle's keys at this meta-step, stacked along the first axis."""

        def one(index: Int[Array, ""]) -> ParticleKeys:
            task = index // self.per_task
            # One vectorised call and not four: compiling them is a good part of compiling an estimator.
            kinds = 4 * jnp.stack([task, task, task, index]) + jnp.arange(1, 5)
            begin, length, steps, own = jax.vmap(lambda kind: jr.fold_in(key, kind))(kinds)
            return ParticleKeys(begin, length, steps, own, meta_step)

        return jax.vmap(one)(jnp.arange(self.count))


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
