"""Runs that differ in seed, learning rate or weight decay alone, trained as one program.

Every array of the training state gets a leading member axis, spread over the mesh axis 'member'; a
step is compiled once for all members. Each member keeps the folder, the checkpoints and the metrics
of a run of its own, so it may be continued alone, and a run that was begun alone as a member.

A device that holds several members computes them one after another on a CPU, where a convolution
with kernels of several members is slow, and batched elsewhere. Computed one after another, members
equal their single runs bit for bit (tests/sweeps/test_members.py).
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from resnet_jax.assembly import Assembly
from resnet_jax.training import parallel
from resnet_jax.training.compilation import compile_step
from resnet_jax.training.dispatch import Constants, steps

Tree = Any
MEMBERS = PartitionSpec("member")


def member_mesh(members: int) -> Mesh:
    """A mesh of as many of the devices as can hold equal numbers of members."""
    devices = max(count for count in range(1, jax.device_count() + 1) if members % count == 0)
    return jax.make_mesh(
        (devices,), ("member",), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices]
    )


class MemberDispatch:
    """Makes updates of every member in one compiled call; the state that goes in is donated.

    Args:
      assemblies: of the members' configurations.
      batched: whether members that share a device are computed together; None: not on CPU.
    """

    def __init__(self, assemblies: Sequence[Assembly], *, batched: bool | None = None):
        self._assemblies = list(assemblies)
        self._runs = [assembly.run() for assembly in assemblies]
        self._batched = jax.default_backend() != "cpu" if batched is None else batched
        self.mesh = member_mesh(len(self._runs))
        self._sharding = NamedSharding(self.mesh, MEMBERS)
        constants = [Constants.of(run.seed, run.numbers) for run in self._runs]
        self._constants = self._place(jax.tree.map(lambda *leaves: np.stack(leaves), *constants))
        self._arrays = parallel.place(self._runs[0].data.arrays, parallel.replicated(self.mesh))
        self._compiled: dict[int, Any] = {}

    def _place(self, tree: Tree) -> Tree:
        return parallel.place(tree, self._sharding)

    def stack(self, states: Sequence[Tree]) -> Tree:
        """One state of all members from a state of each."""
        host = [jax.device_get(state) for state in states]
        return self._place(jax.tree.map(lambda *leaves: np.stack(leaves), *host))

    def unstack(self, state: Tree) -> list[Tree]:
        """A state of each member, where the member's own run would have it."""
        host = jax.device_get(state)
        return [
            parallel.place(
                jax.tree.map(lambda leaf, number=number: leaf[number], host),
                parallel.replicated(assembly.mesh),
            )
            for number, assembly in enumerate(self._assemblies)
        ]

    def __call__(self, state: Tree, step: int, count: int) -> tuple[Tree, Tree]:
        """Returns the new state and the reports, as [member, step]."""
        picks = [
            jax.tree.map(
                lambda *arrays: np.stack(arrays),
                *(
                    run.data.train_picks(run.seed, number, run.batch_size)
                    for number in range(step, step + count)
                ),
            )
            for run in self._runs
        ]
        placed = self._place(jax.tree.map(lambda *arrays: np.stack(arrays), *picks))
        arguments = state, placed, self._constants, self._arrays
        if count not in self._compiled:
            jitted = jax.jit(self._members, donate_argnums=0)
            options = self._runs[0].compiler_options
            self._compiled[count] = compile_step(jitted.lower(*arguments), options)
        return self._compiled[count](*arguments)

    def _members(self, state: Tree, picks: Tree, constants: Constants, arrays: Tree) -> Any:
        def one(state: Tree, picks: Tree, constants: Constants, arrays: Tree) -> Any:
            run = self._runs[0]
            train_step = run.train_step(constants.numbers)
            return steps(train_step, run.data, state, arrays, picks, constants.key_data)

        def here(state: Tree, picks: Tree, constants: Tree, arrays: Tree) -> Any:
            """The members of one device."""
            own = state, picks, constants
            if self._batched:
                return jax.vmap(one, in_axes=(0, 0, 0, None))(*own, arrays)
            found = []
            for number in range(len(jax.tree.leaves(state)[0])):
                mine = jax.tree.map(lambda leaf, number=number: leaf[number], own)
                # Else XLA fuses taking apart and stacking into a member's sums, and rounds them
                # otherwise than a single run's.
                own_state, own_picks, numbers = jax.lax.optimization_barrier(mine)
                done = one(own_state, own_picks, numbers, arrays)
                found.append(jax.lax.optimization_barrier(done))
            return jax.tree.map(lambda *leaves: jnp.stack(leaves), *found)

        spread = jax.shard_map(
            here,
            mesh=self.mesh,
            in_specs=(MEMBERS, MEMBERS, MEMBERS, PartitionSpec()),
            out_specs=MEMBERS,
            check_vma=False,
        )
        return spread(state, picks, constants, arrays)
