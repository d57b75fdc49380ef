from dataclasses import replace
from typing import final, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int, PRNGKeyArray

from ...errors import BadInput


class ParticleKeys(eqx.Module):
    """The keys of one particle at one meta-step, and the number of that meta-step.

    They depend on the meta-step's key and the particle's index alone, so that the number of devices changes nothing.
    The particles of one task share `begin`, `length` and `steps`: they see the same data. `begin` is for
    `problem.init`, `length` for the number of steps of an unroll; both count only where an unroll begins. `steps` and
    `own` (for the particle's noise) are parents: what is drawn from is `fold_in` of them and an index, never they
    themselves, except that an estimator may draw once from `own` if it folds nothing into it.
    """

    begin: PRNGKeyArray
    length: PRNGKeyArray
    steps: PRNGKeyArray
    own: PRNGKeyArray
    meta_step: Int[Array, ""]

    def of_member(self, member: Int[Array, ""] | int) -> "ParticleKeys":
        """Returns keys for unroll number `member` of a particle whose unrolls do not share their data.

        Then no unroll uses these keys themselves: a key that is drawn from must not be folded into.
        """
        return replace(self, begin=jr.fold_in(self.begin, member), steps=jr.fold_in(self.steps, member))


class Share(NamedTuple):
    """The groups of one device, the members of each group, and how many of both are computed at a time."""

    groups: int
    members: int
    block: tuple[int, int]


@final
class Population(eqx.Module):
    """How many particles there are, and how many are computed at a time.

    There are `tasks` x `per_task` particles. Those of one task see the same data and differ in their noise; an
    antithetic pair is one particle. Each device computes `chunk` particles at a time, or all at once if it is None:
    fewer need less memory and give the same numbers. With `stagger` the first unrolls end early, each at another
    window, so that from then on the particles are at different places of their unrolls.

    The variance of an estimate is that between tasks. If there is only one task, it is that between its particles, and
    does not include what another task would change.

    Raises `BadInput` for a number below 1 or a chunk that does not divide the particles evenly.
    """

    tasks: int = eqx.field(static=True, default=8)
    """Tasks in a meta-step."""
    per_task: int = eqx.field(static=True, default=1)
    """Particles on each task, of which each has noise of its own."""
    chunk: int | None = eqx.field(static=True, default=None)
    """Particles that a device computes at a time; all at once by default. Fewer need less memory."""
    stagger: bool = eqx.field(static=True, default=True)
    """Whether the first unrolls end early, so that later ones are at different places."""

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
        """Independent groups, and members in each: the tasks and their particles, or each particle of the only task."""
        return (self.tasks, self.per_task) if self.tasks > 1 else (self.per_task, 1)

    @property
    def block(self) -> tuple[int, int]:
        """Groups and members computed at a time."""
        groups, members = self.grid
        if self.chunk is None:
            return groups, members
        return max(1, self.chunk // members), max(1, min(self.chunk, members))

    def share(self, devices: int) -> Share:
        """Returns the work of each of so many devices. Raises `BadInput` if it can't be the same for all."""
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
        """Returns every particle's keys at this meta-step, stacked along the first axis.

        They are children 1, 2, 3, ... of `key`; child 0 is left to the caller.
        """

        def one(index: Int[Array, ""]) -> ParticleKeys:
            task = index // self.per_task
            # One vectorised call instead of four: compiling those took a good part of compiling an estimator.
            kinds = 4 * jnp.stack([task, task, task, index]) + jnp.arange(1, 5)
            begin, length, steps, own = jax.vmap(lambda kind: jr.fold_in(key, kind))(kinds)
            return ParticleKeys(begin, length, steps, own, meta_step)

        return jax.vmap(one)(jnp.arange(self.count))


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
