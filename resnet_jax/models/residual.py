"""The residual block: a branch F and what connects it, described by one record of rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnet_jax.models.arrangements import ARRANGEMENTS, CONVOLUTION, NORM, Arrangement, Steps
from resnet_jax.models.attention import ATTENTIONS, Attention
from resnet_jax.models.branch import Branch
from resnet_jax.models.branches import BRANCHES
from resnet_jax.models.choosing import chosen, derived
from resnet_jax.models.compounds import Place
from resnet_jax.models.connections.ends import changes_shape
from resnet_jax.models.connections.record import Connection, Site, State
from resnet_jax.models.layers import Layers, scaled_init
from resnet_jax.models.pooling import ANTIALIASING, Pool
from resnet_jax.models.shortcuts import SHORTCUTS
from resnet_jax.models.steps import run
from resnet_jax.tables import UserError

Image = Float[Array, "batch height width channels"]


@dataclass(frozen=True)
class Block:
    """The properties that all blocks of a network share; a stage may have a branch of its own.

    Attributes:
      branch: F, a row of BRANCHES; one that repeats holds residual blocks of its own inside the
        outer shortcut.
      arrangement: a row of ARRANGEMENTS.
      shortcut: a row of SHORTCUTS; joins F to what the block is given.
      activate_stem: whether the steps that open the first stage of a pre-activated network stand
        before the stem's pool, where the paper (arXiv 1603.05027, appendix) and fb.resnet.torch
        have them, and not behind it, as in Big Transfer and timm.
      activate_identity: whether an identity shortcut that opens a pre-activated stage takes the
        activated x, as a projection does (fb.resnet.torch, models/preresnet.lua), and not x itself.
      attention: a row of ATTENTIONS; weights the channels of F before the addition.
      antialias: a row of ANTIALIASING; carries the stride in place of the branch's convolution, or
        stands before the convolutions of branch and shortcut that carry it.
      zero_init_branch: whether F is zero at first, so that the block starts as its shortcut; in a
        branch that repeats this holds for each of the inner blocks.
      kernel_scale: multiplies the initial kernels of F.
      branch_gain: initial value of a learned factor of F; None: F has no such factor.
      dropout: rate directly before every convolution of the branch but the first, so after its norm
        and activation in a pre-activated block (Wide ResNet, section 2.4 and its code).
      drop_whole_batch: whether F is dropped for all examples of a batch or for none, and
        multiplied by its survival in evaluation (Huang et al., arXiv 1603.09382, section 3); else
        it is dropped for each example, and what is kept is divided by its survival in training.
      stochastic_depth: whether F is dropped with probability 1 - survival.
      blocks: of the whole network.
    """

    branch: Branch = chosen(BRANCHES, "basic", call=True)
    arrangement: Arrangement = chosen(ARRANGEMENTS, "original")
    shortcut: Connection = chosen(SHORTCUTS, "B")
    activate_stem: bool = False
    activate_identity: bool = True
    attention: Attention = chosen(ATTENTIONS, "none")
    antialias: Pool | None = chosen(ANTIALIASING, "none")
    zero_init_branch: bool = False
    kernel_scale: float = derived(1.0)
    branch_gain: float | None = None
    dropout: float = 0.0
    drop_whole_batch: bool = False
    stochastic_depth: bool = derived(False)
    blocks: int = derived(1)

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise UserError(f"model.dropout={self.dropout} must lie in [0, 1)")


class ResidualBlock(nn.Module):
    """What the row `block.shortcut` makes of x and F, x + F(x) say, and the steps after it.

    Attributes:
      width: the stage's width; the output has `width * branch.expansion` features.
      stride: of the block as a whole.
      since: number of the block that made x by a projection; 1 in the first stage.
      activated: whether x has been through the arrangement's lead already.
      backwards: whether it computes the state before it from that after it.
    """

    block: Block
    layers: Layers
    width: int
    stride: int = 1
    since: int = 1
    activated: bool = False
    backwards: bool = False

    @nn.compact
    def __call__(self, x: State, survival: Any = 1.0, number: Any = 1) -> State:
        """The state after the block.

        Args:
          x: the state before it: an image, unless `block.shortcut` has another state.
          survival: the probability that F is kept.
          number: of the block, counted from 1 at the stem.
        """
        features = self.width * self.block.branch.expansion
        site = Site(features, self.stride, number, self.block.blocks, self.block.antialias)

        if self.block.shortcut.absent_at_ends and changes_shape(x, features, self.stride):
            survival = 1.0  # else nothing would be left

        def branch(x: Image, *, copy: int = 1, stride: int | None = None) -> Image:
            return self._kept(self.branch_path(x, copy, stride, number), survival, copy)

        if self.backwards and self.block.shortcut.inverse:
            return self.block.shortcut.inverse(x, branch, site, self.layers)
        if self._shares_lead:
            lead = self.block.arrangement.lead
            names = [f"norm{n}" for n in range(1, 1 + lead.count(NORM))]
            x = run(lead, x, self.layers, norms=names)
            x = self.block.shortcut.scaled(x, number - self.since)
        x = self.block.shortcut.connect(x, branch, site, self.layers)
        return run(self.block.arrangement.after, x, self.layers, norms=["norm_after"])

    @property
    def _shares_lead(self) -> bool:
        """Whether the connection is given what the arrangement's lead makes of x."""
        shares = self.block.arrangement.shares_every_lead and not self.block.shortcut.carries
        return shares and not self.activated

    @property
    def _given_activated(self) -> bool:
        """Whether the branch is given x after the arrangement's lead."""
        return self.activated or self._shares_lead

    def branch_path(
        self, x: Image, copy: int = 1, stride: int | None = None, number: Any = 1
    ) -> Image:
        """F(x); see connections.record.Branch."""
        stride = self.stride if stride is None else stride
        if copy > 1:
            return self._copy(x, copy, stride, number)
        if self.block.branch.repeats > 1:
            return self._inner_blocks(x, stride, number)
        y = self._convolutions(x, stride, number)
        if self.block.branch_gain is not None:
            y = self.layers.gain(self.block.branch_gain, name="branch_gain")(y)
        return y

    def _copy(self, x: Image, copy: int, stride: int, number: Any) -> Image:
        """Another branch like F: a plain block inside of this one."""
        arrangement = replace(self.block.arrangement, after=())
        plain = replace(
            self.block, shortcut=SHORTCUTS["none"], arrangement=arrangement, stochastic_depth=False
        )
        own = ResidualBlock(
            plain,
            self.layers,
            self.width,
            stride,
            self.since,
            self._given_activated,
            name=f"branch{copy}",
        )
        return own(x, number=number)

    def _convolutions(self, x: Image, stride_of_block: int, of_block: Any) -> Image:
        block, last = self.block, len(self.block.branch.convolutions)
        attention_after, inputs = block.branch.attention_after or last, x.shape[-1]
        opens = changes_shape(x, self.width * block.branch.expansion, stride_of_block)
        norms = 0
        for number, spec in enumerate(block.branch.convolutions, start=1):
            steps = block.arrangement.around(number, last)
            names = [f"norm{norms + n}" for n in range(1, steps.count(NORM) + 1)]
            norms += len(names)
            if self._given_activated and number == 1:
                lead = block.arrangement.lead
                steps, names = steps[len(lead) :], names[lead.count(NORM) :]
            stride = stride_of_block if spec.strided else 1
            antialias = block.antialias if stride > 1 else None
            after = antialias if antialias and not antialias.before else None
            features = spec.features(self.width, inputs)
            groups = spec.groups_in(features, x.shape[-1])
            stride = 1 if after else stride
            convolve = partial(self._convolution, number, of_block, steps, names)
            if spec.compound:
                place = Place(number, features, stride, groups, opens)
                x = spec.compound.function(x, convolve, place, self.layers)
            else:
                x = convolve(x, features, stride=stride, groups=groups)
            if after:
                x = after.function(x, stride_of_block)
            if number == attention_after:
                x = block.attention.apply(x, self.layers, inputs)
        return x

    def _convolution(
        self,
        number: int,
        of_block: Any,
        steps: Steps,
        names: Sequence[str],
        x: Image,
        features: int,
        *,
        stride: int,
        groups: int,
        name: str = "",
        dilation: int = 1,
    ) -> Image:
        """Convolution `number` of the branch with the steps around it; see compounds.Convolve."""
        block, last = self.block, len(self.block.branch.convolutions)
        spec = block.branch.convolutions[number - 1]
        preparing: list[Callable[[Array], Array]] = []
        if number == 1 and not self._given_activated:
            preparing.append(partial(block.shortcut.scaled, added=of_block - self.since))
        if number > 1 and block.dropout:
            preparing.append(self.layers.dropout(block.dropout, name=f"dropout{number}{name}"))
        if stride > 1 and block.antialias and block.antialias.before:
            preparing.append(partial(block.antialias.function, stride=stride))
        zero = block.zero_init_branch and number == last
        follows = steps[steps.index(CONVOLUTION) + 1 :][:1] == (NORM,)
        kernel_init = scaled_init(self.layers.kernel_init, block.kernel_scale)
        if zero and not follows:
            kernel_init = nn.initializers.zeros
        conv = self.layers.conv(
            features,
            spec.kernel,
            stride,
            dilation,
            feature_group_count=groups,
            kernel_init=kernel_init,
            name=f"conv{number}{name}",
        )
        zero_scale = {"scale_init": nn.initializers.zeros} if zero and follows else {}
        norms = [f"{norm}{name}" for norm in names]
        return run(steps, x, self.layers, conv, norms, preparing, **zero_scale)

    def _inner_blocks(self, x: Image, stride: int, of_block: Any) -> Image:
        """Residual blocks in a row; the outer block takes the steps after the last addition."""
        repeats = self.block.branch.repeats
        inner = replace(
            self.block, branch=self.block.branch._replace(repeats=1), stochastic_depth=False
        )
        for number in range(1, repeats + 1):
            own = inner
            if number == repeats:
                own = replace(inner, arrangement=replace(inner.arrangement, after=()))
            x = ResidualBlock(
                own,
                self.layers,
                self.width,
                stride=stride if number == 1 else 1,
                since=self.since,
                activated=self._given_activated and number == 1,
                name=f"pair{number}",
            )(x, number=of_block)
        return x

    def _kept(self, y: Image, survival: Any, copy: int) -> Image:
        """F(x) with stochastic depth; see Block.drop_whole_batch."""
        if self.block.stochastic_depth and self.layers.train:
            return self._drop(y, survival, copy)
        if self.block.stochastic_depth and self.block.drop_whole_batch:
            return y * jnp.asarray(survival, y.dtype)
        return y

    def _drop(self, y: Image, survival: Any, copy: int) -> Image:
        """Stochastic depth in training (Huang et al., arXiv 1603.09382)."""
        whole = self.block.drop_whole_batch
        shape = (1 if whole else y.shape[0], 1, 1, 1)
        if copy == 1:
            keep = jax.random.bernoulli(self.make_rng("dropout"), survival, shape)
        else:
            # By its name, and not by the order in which branches are called.
            keep = self.layers.uniform(name=f"drop{copy}")(shape) < survival
        return y * (keep if whole else keep / survival).astype(y.dtype)
