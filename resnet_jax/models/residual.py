"""The residual block: y = after(shortcut(x) + F(x)), with its arrangement as a row of data."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from resnet_jax.models.attention import no_attention
from resnet_jax.models.branches import Branch
from resnet_jax.models.layers import Layers, scaled_init
from resnet_jax.tables import UserError

Image = Float[Array, "batch height width channels"]


class Arrangement(NamedTuple):
    """The order of convolution (c), normalisation (n) and activation (a) in a block.

    A network is one long sequence: what stands before the convolutions of a block (its lead) is
    missing after the stem's convolution and follows the last block. So stem, projection and the
    layers before the pool all derive from these three strings.

    Attributes:
      each: around every convolution of the branch but the last.
      last: around the last convolution of the branch.
      after: after the addition.
    """

    each: str
    last: str
    after: str

    @property
    def lead(self) -> str:
        """What precedes a convolution: pre-activation; '' in the post-activated kinds."""
        return self.each.split("c")[0]

    @property
    def stem(self) -> str:
        return "c" + self.each.split("c")[1]

    @property
    def projection_norm(self) -> bool:
        """A projection ends in a norm where the branch does."""
        return "n" in self.last.split("c")[1]

    def without_norm(self) -> "Arrangement":
        return Arrangement(*(letters.replace("n", "") for letters in self))

    def with_biases(self) -> "Arrangement":
        """A scalar bias (b) before every convolution and activation, as Fixup has it."""
        biased = (letters.replace("c", "bc").replace("a", "ba") for letters in self)
        return Arrangement(*biased)


# 'Identity Mappings in Deep Residual Networks', arXiv 1603.05027, Table 2 and Figure 4.
ARRANGEMENTS = {
    "original": Arrangement("cna", "cn", "a"),
    "bn_after_addition": Arrangement("cna", "c", "na"),
    "relu_before_addition": Arrangement("cna", "cna", ""),
    "relu_only_preactivation": Arrangement("acn", "acn", ""),
    "full_preactivation": Arrangement("nac", "nac", ""),
}


def run(letters: str, x: Array, layers: Layers, conv: Any = None, **norm_options: Any) -> Array:
    """Applies convolution, norm, activation and bias in the order that `letters` gives."""
    if layers.norm_activates:
        letters = letters.replace("na", "n")
    if "cn" in letters:
        before, _, letters = letters.partition("cn")
        x = run(before, x, layers)
        x = layers.conv_norm(x, conv, **norm_options)
    for letter in letters:
        if letter == "c":
            x = conv(x)
        elif letter == "n":
            x = layers.norm(**norm_options)(x)
        elif letter == "b":
            x = layers.bias()(x)
        else:
            x = layers.activation(x)
    return x


class ResidualBlock(nn.Module):
    """y = after(shortcut(x) + F(x)).

    Attributes:
      branch: F; one that repeats holds residual blocks of its own inside the outer shortcut.
      shortcut: a row of SHORTCUTS, options set.
      width: the stage's width; the output has `width * branch.expansion` features.
      stride: of the block as a whole.
      activated: x has been through the arrangement's lead already, which shortcut and branch of a
        stage-opening block share ('Identity Mappings', appendix; fb.resnet.torch).
      zero_init_branch: F starts as zero, so that the block starts as its shortcut; in a branch that
        repeats this holds for each of the inner blocks.
      kernel_scale: multiplies the initial kernels of F.
      branch_gain: F is multiplied by a learned factor that starts so; None: it is not.
      dropout: rate before every convolution of the branch but the first (Wide ResNet, section 2.4).
      stochastic_depth: drop F of an example with probability 1 - survival.
      attention: a row of ATTENTIONS, options set; weights the channels of F before the addition.
      antialias: a row of ANTIALIASING; carries the stride in place of the branch's convolution.
    """

    branch: Branch
    arrangement: Arrangement
    shortcut: Callable[..., Any]
    layers: Layers
    width: int
    stride: int = 1
    activated: bool = False
    zero_init_branch: bool = False
    kernel_scale: float = 1.0
    branch_gain: float | None = None
    dropout: float = 0.0
    stochastic_depth: bool = False
    attention: Callable[..., Any] = no_attention
    antialias: Callable[..., Any] | None = None

    @nn.compact
    def __call__(self, x: Image, survival: Any = 1.0) -> Image:
        shortcut, scale = self.shortcut_path(x)
        y = scale * self.branch_path(x)
        if self.stochastic_depth and self.layers.train:
            y = self._drop(y, survival)
        if shortcut.ndim and shortcut.shape != y.shape:
            raise UserError(
                f"a block's shortcut gives {shortcut.shape[1]}x{shortcut.shape[2]} and its branch"
                f" {y.shape[1]}x{y.shape[2]} positions: model.antialias=average needs images whose"
                " size halves evenly in every stage"
            )
        return run(self.arrangement.after, shortcut + y, self.layers, name="norm_after")

    def shortcut_path(self, x: Image) -> tuple[Any, Any]:
        """shortcut(x), and the factor of F."""
        features = self.width * self.branch.expansion
        return self.shortcut(x, features, self.stride, self.layers)

    def branch_path(self, x: Image) -> Image:
        """F(x)."""
        if self.branch.repeats > 1:
            return self._inner_blocks(x)
        y = self._convolutions(x)
        if self.branch_gain is not None:
            y = self.layers.gain(self.branch_gain, name="branch_gain")(y)
        return y

    def _convolutions(self, x: Image) -> Image:
        last = len(self.branch.convolutions)
        for number, spec in enumerate(self.branch.convolutions, start=1):
            letters = self.arrangement.last if number == last else self.arrangement.each
            if self.activated and number == 1:
                letters = letters.removeprefix(self.arrangement.lead)
            zero = self.zero_init_branch and number == last
            if number > 1 and self.dropout:
                x = self.layers.dropout(self.dropout, name=f"dropout{number}")(x)
            stride = self.stride if spec.strided else 1
            antialias = self.antialias if stride > 1 else None
            kernel_init = scaled_init(self.layers.kernel_init, self.kernel_scale)
            if zero and "cn" not in letters:
                kernel_init = nn.initializers.zeros
            conv = self.layers.conv(
                spec.features(self.width),
                spec.kernel,
                1 if antialias else stride,
                feature_group_count=spec.groups,
                kernel_init=kernel_init,
                name=f"conv{number}",
            )
            zero_scale = {"scale_init": nn.initializers.zeros} if zero and "cn" in letters else {}
            x = run(letters, x, self.layers, conv, name=f"norm{number}", **zero_scale)
            if antialias:
                x = antialias(x, stride)
        return self.attention(x, self.layers)

    def _inner_blocks(self, x: Image) -> Image:
        """Residual blocks in a row; what follows the last addition waits for the outer one."""
        for number in range(1, self.branch.repeats + 1):
            is_last = number == self.branch.repeats
            block = ResidualBlock(
                branch=self.branch._replace(repeats=1),
                arrangement=self.arrangement._replace(after="") if is_last else self.arrangement,
                shortcut=self.shortcut,
                layers=self.layers,
                width=self.width,
                stride=self.stride if number == 1 else 1,
                activated=self.activated and number == 1,
                zero_init_branch=self.zero_init_branch,
                kernel_scale=self.kernel_scale,
                branch_gain=self.branch_gain,
                dropout=self.dropout,
                attention=self.attention,
                antialias=self.antialias,
                name=f"pair{number}",
            )
            x = block(x)
        return x

    def _drop(self, y: Image, survival: Any) -> Image:
        """Stochastic depth (Huang et al., arXiv 1603.09382) per example.

        Kept branches are scaled by 1 / survival, so that evaluation needs no factor.
        """
        key = self.make_rng("dropout")
        keep = jax.random.bernoulli(key, survival, (y.shape[0], 1, 1, 1))
        return y * (keep / survival).astype(y.dtype)
