"""Runs that differ in seed, learning rate or weight decay alone, trained as one program.

Every array of the training state gets a leading member axis, spread over the mesh axis 'member'; a
step is compiled once for all members. Each member keeps the folder, the checkpoints and the metrics
of a run of its own, so it may be continued alone, and a run that was begun alone as a member.

A device that holds several members computes them one after another on a CPU, where a convolution
with kernels of several members is slow, and batched elsewhere; on a GPU, batched convolutions have
the members' channels side by side (models/side_by_side.py). Computed one after another, members
equal their single runs bit for bit, and else to rounding (tests/sweeps/test_members.py).
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from resnet_jax.training import parallel
from resnet_jax.training.compilation import compile_step
from resnet_jax.training.dispatch import Constants, stacked_picks, steps
from resnet_jax.training.run import Compiling, Run
from resnet_jax.training.state import TrainState, Tree

MEMBERS = PartitionSpec("member")


def member_mesh(members: int) -> Mesh:
    """A mesh of as many of the devices as can hold equal numbers of members."""
    devices = max(count for count in range(1, jax.device_count() + 1) if members % count == 0)
    return jax.make_mesh(
        (devices,), ("member",), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices]
    )


def side_by_side() -> bool:
    """Whether members' networks are to be built for convolutions side by side."""
    return jax.default_backend() == "gpu"


class MemberDispatch:
    """Makes updates of every member in one compiled call; see training.dispatch.Dispatch.

    Args:
      runs: of the members; one step and one set of examples serve all, those of the first.
      compiling: entered while a call is compiled.
      batched: whether members that share a device are computed together; None: not on CPU.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        compiling: Compiling = nullcontext,
        *,
        batched: bool | None = None,
    ):
        self._runs, self._compiling = list(runs), compiling
        self._batched = jax.default_backend() != "cpu" if batched is None else batched
        self._mesh = member_mesh(len(self._runs))
        self._sharding = NamedSharding(self._mesh, MEMBERS)
        self._constants = self._stacked([Constants.of(run) for run in self._runs])
        self._arrays = parallel.place(self._runs[0].data.arrays, parallel.replicated(self._mesh))
        self._compiled: dict[tuple, Any] = {}

    def _stacked(self, trees: Sequence[Tree]) -> Tree:
        """One tree with a leading member axis, on the devices."""
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
        return parallel.place(stacked, self._sharding)

    def join(self, states: Sequence[TrainState]) -> Tree:
        """One state of all members from a state of each."""
        return self._stacked([jax.device_get(state) for state in states])

    def split(self, state: Tree) -> list[TrainState]:
        """A state of each member, where the member's own run would have it."""
        host = jax.device_get(state)
        return [
            parallel.place(_of_member(host, number), parallel.replicated(run.mesh))
            for number, run in enumerate(self._runs)
        ]

    def __call__(self, state: Tree, step: int, count: int) -> tuple[Tree, list[Tree]]:
        """Returns the new state, and of each member the reports of its updates, stacked."""
        picks = self._stacked([stacked_picks(run, step, count) for run in self._runs])
        arguments = state, picks, self._constants, self._arrays
        shapes = tuple(leaf.shape for leaf in jax.tree.leaves(picks))
        if shapes not in self._compiled:
            with self._compiling():
                lowered = jax.jit(self._members, donate_argnums=0).lower(*arguments)
                options, choices = self._runs[0].compiler_options, self._runs[0].choices
                self._compiled[shapes] = compile_step(lowered, options, choices)
        state, reports = self._compiled[shapes](*arguments)
        return state, [_of_member(reports, number) for number in range(len(self._runs))]

    def _members(self, state: Tree, picks: Tree, constants: Constants, arrays: Tree) -> Any:
        def one(state: Tree, picks: Tree, constants: Constants, arrays: Tree) -> Any:
            return steps(self._runs[0], state, arrays, picks, constants)

        def here(state: Tree, picks: Tree, constants: Tree, arrays: Tree) -> Any:
            """The members of one device."""
            own = state, picks, constants
            if self._batched:
                return jax.vmap(one, in_axes=(0, 0, 0, None))(*own, arrays)
            found = []
            for number in range(len(jax.tree.leaves(state)[0])):
                mine = _of_member(own, number)
                # Else XLA fuses taking apart and stacking into a member's sums, and rounds them
                # otherwise than a single run's.
                own_state, own_picks, numbers = jax.lax.optimization_barrier(mine)
                done = one(own_state, own_picks, numbers, arrays)
                found.append(jax.lax.optimization_barrier(done))
            return jax.tree.map(lambda *leaves: jnp.stack(leaves), *found)

        spread = jax.shard_map(
            here,
            mesh=self._mesh,
            in_specs=(MEMBERS, MEMBERS, MEMBERS, PartitionSpec()),
            out_specs=MEMBERS,
            check_vma=False,
        )
        return spread(state, picks, constants, arrays)


def _of_member(tree: Tree, number: int) -> Tree:
    return jax.tree.map(lambda leaf: leaf[number], tree)
