"""A stage of a network: its blocks one after another, as a scan, or reversible."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from resnet_jax.models.connections.ends import changes_shape
from resnet_jax.models.connections.record import State
from resnet_jax.models.layers import Layers
from resnet_jax.models.residual import Block, ResidualBlock
from resnet_jax.models.reversal import Own, run_reversible
from resnet_jax.models.steps import run
from resnet_jax.models.transitions import TRANSITIONS, Transition

# Computed again in the backward pass. The number of an unrolled block, its last argument, stays a
# number there.
REMAT_BLOCK: Any = nn.remat(ResidualBlock, static_argnums=(3,))


class Stage(nn.Module):
    """A block that may change the shape of x, then blocks that are all equal.

    With a transition before the first block, that block keeps the shape.

    Attributes:
      width: before the branch's expansion.
      widths: of each block, where they differ.
      survival: of each block's branch, one number a block.
      first: number of its first block, counted from 1 at the stem.
      previous: the same of the stage before it; 1 in the first stage.
      scan: run the equal blocks as one scan, with their parameters stacked under `blocks`.
      remat_blocks: see ResNet.remat.
      activated: whether x has been through the arrangement's lead already.
      transition: a row of TRANSITIONS.
    """

    block: Block
    layers: Layers
    width: int
    survival: tuple[float, ...]
    stride: int
    widths: tuple[int, ...] = ()
    first: int = 1
    previous: int = 1
    scan: bool = False
    remat_blocks: bool = False
    activated: bool = False
    transition: Transition = TRANSITIONS["block"]

    @nn.compact
    def __call__(self, x: State) -> State:
        change, arrangement = self.transition.function, self.block.arrangement
        if change is None:
            return self._blocks(x, self.stride, self.activated)
        opened, complete = change(
            x, self._features, self.stride, arrangement, self.activated, self.layers
        )
        x = self._blocks(opened, stride=1, activated=self.activated and opened is x)
        return complete(x) if complete else x

    def _blocks(self, x: State, stride: int, activated: bool) -> State:
        kind = REMAT_BLOCK if self.remat_blocks else ResidualBlock
        widths = self._widths
        make_block = partial(kind, self.block, self.layers, since=self.first)
        arrangement = self.block.arrangement
        shared = arrangement.shares_lead and not activated and self._takes_activated(x, stride)
        if shared:
            x = run(arrangement.lead, x, self.layers, norms=["norm_shared"])
            x = self.block.shortcut.scaled(x, self.first - self.previous)
        opening = make_block(
            width=widths[0],
            stride=stride,
            since=self.previous,
            activated=shared or activated,
            name="block1",
        )
        x = opening(x, self.survival[0], self.first)
        inverts = self.block.shortcut.inverse and self.layers.train
        if inverts and not self.is_initializing() and len(self.survival) > 1:
            return self._reversible(x)
        if self.scan and len(self.survival) > 1:
            return self._scanned(x)
        for number, survival in enumerate(self.survival[1:], start=2):
            block = make_block(width=widths[number - 1], name=f"block{number}")
            x = block(x, survival, self.first + number - 1)
        return x

    @property
    def _widths(self) -> tuple[int, ...]:
        return self.widths or (self.width,) * len(self.survival)

    @property
    def _features(self) -> int:
        """Features behind the opening block."""
        return self._widths[0] * self.block.branch.expansion

    def _takes_activated(self, x: State, stride: int) -> bool:
        """Whether the opening block's connection takes x after the lead, as its branch does."""
        if self.block.shortcut.carries:
            return False
        return self.block.activate_identity or changes_shape(x, self._features, stride)

    def _scanned(self, x: State) -> State:
        # In a loop's body XLA can't undo the rematerialisation, so nothing needs to prevent it.
        remat = partial(nn.remat, prevent_cse=False)
        make_block: Any = remat(ResidualBlock) if self.remat_blocks else ResidualBlock
        scan = nn.scan(
            lambda block, x, place: (block(x, *place), None),
            variable_axes={"params": 0, "batch_stats": 0},
            split_rngs={"params": True, "dropout": True},
        )
        blocks = make_block(self.block, self.layers, self.width, since=self.first, name="blocks")
        numbers = self.first + np.arange(1, len(self.survival))
        x, _ = scan(blocks, x, (np.array(self.survival[1:]), numbers))
        return x

    def _reversible(self, x: State) -> State:
        """As without it, but that the backward pass keeps no state between the equal blocks."""
        names = [f"block{number}" for number in range(2, len(self.survival) + 1)]
        key = self.make_rng("dropout") if self.has_rng("dropout") else None
        numbers = self.first + np.arange(1, len(self.survival))
        survival = np.array(self.survival[1:])
        own: Any = Own(
            self._of_blocks("batch_stats", names),
            None if key is None else jax.random.split(key, len(names)),
            (survival, numbers),
        )
        params = self._of_blocks("params", names)
        if not self.scan:
            at = [jax.tree.map(lambda leaf, n=n: leaf[n], own[1:]) for n in range(len(names))]
            own = [Own(own.statistics[n], *at[n]) for n in range(len(names))]
        x, statistics = run_reversible(self._applied, self._inverted, params, own, x)
        if self.scan:
            self._set_statistics("blocks", statistics)
        else:
            for name, found in zip(names, statistics, strict=True):
                self._set_statistics(name, found)
        return x

    def _of_blocks(self, kind: str, names: list[str]) -> Any:
        trees = self.variables.get(kind, {})
        return trees.get("blocks", {}) if self.scan else [trees.get(name, {}) for name in names]

    def _set_statistics(self, name: str, statistics: Any) -> None:
        if statistics:
            self.put_variable("batch_stats", name, statistics)

    def _applied(self, params: Any, own: Own, x: State, backwards: bool = False) -> Any:
        block = ResidualBlock(self.block, self.layers, self.width, backwards=backwards, parent=None)
        x, changed = block.apply(
            {"params": params, "batch_stats": own.statistics},
            x,
            *own.place,
            mutable=["batch_stats"],
            rngs={} if own.key is None else {"dropout": own.key},
        )
        return x, changed.get("batch_stats", {})

    def _inverted(self, params: Any, own: Own, x: State) -> State:
        return self._applied(params, own, x, backwards=True)[0]
