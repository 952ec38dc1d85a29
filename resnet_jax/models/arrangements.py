"""The order of convolution, normalisation and activation in a block, as rows of data."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from resnet_jax.tables import Table, UserError

CONVOLUTION, NORM, ACTIVATION, BIAS = "convolution", "norm", "activation", "bias"
Steps = tuple[str, ...]
# How many convolutions each field of an arrangement holds.
HELD = {"each": 1, "last": 1, "after": 0, "first": 1, "stem": 1, "head": 0}


@dataclass(frozen=True)
class Arrangement:
    """What is computed in a block, step by step.

    The steps before a block's first convolution are its lead. In a pre-activated block the lead
    normalises and activates the output of the block before; so the last block's output needs the
    lead too, before the head, and the stem ends without it. Steps of the stem, of projections and
    before the head follow in this way from those of the blocks, unless a row gives them.

    Attributes:
      each: around every convolution of the branch but the last.
      last: around the last convolution of the branch.
      after: after the addition.
      first: around the first of several convolutions; None: as `each`.
      stem: around the stem's last convolution; None: `each` without the lead.
      head: before the pool of the head; None: the lead.
      shares_lead: whether the shortcut of a block that opens a stage takes x after the lead, as the
        branch does ('Identity Mappings', appendix; fb.resnet.torch), and not x itself.
      shares_every_lead: whether the shortcut of every block does.

    Raises:
      UserError: steps with no convolution or several, or unknown ones.
    """

    each: Steps
    last: Steps
    after: Steps = ()
    first: Steps | None = None
    stem: Steps | None = None
    head: Steps | None = None
    shares_lead: bool = True
    shares_every_lead: bool = False

    def __post_init__(self) -> None:
        for name, count in HELD.items():
            steps = getattr(self, name)
            if steps is None:
                continue
            unknown = set(steps) - {CONVOLUTION, NORM, ACTIVATION, BIAS}
            if unknown or steps.count(CONVOLUTION) != count:
                raise UserError(
                    f"an arrangement's {name}={steps} must hold {count or 'no'} convolution and"
                    " beside it only norms, activations and biases"
                )

    def around(self, number: int, convolutions: int) -> Steps:
        """The steps around convolution `number`, counted from 1, of `convolutions`."""
        opening = self.first or self.each
        if number < convolutions:
            return opening if number == 1 else self.each
        return (*_before(opening), *_from(self.last)) if convolutions == 1 else self.last

    @property
    def lead(self) -> Steps:
        """The steps before a block's first convolution; none in the post-activated kinds."""
        return _before(self.first or self.each)

    @property
    def stem_steps(self) -> Steps:
        """The steps around the stem's last convolution."""
        return _from(self.each) if self.stem is None else self.stem

    @property
    def head_steps(self) -> Steps:
        """The steps between the last block and the head's pool."""
        return self.lead if self.head is None else self.head

    @property
    def head_conv_steps(self) -> Steps:
        """The steps around a convolution before the head: the stem's, less those of the head."""
        steps, behind = self.stem_steps, self.head_steps
        return steps[: -len(behind)] if behind and steps[-len(behind) :] == behind else steps

    @property
    def projection_norm(self) -> bool:
        """Whether a norm follows a projection, as one follows the branch's last convolution."""
        return NORM in _from(self.last)

    def without_norm(self) -> "Arrangement":
        """This arrangement without norms."""
        return self._with(lambda step: () if step == NORM else (step,))

    def with_biases(self) -> "Arrangement":
        """This arrangement with a scalar bias before each convolution and activation (Fixup)."""
        biased = (CONVOLUTION, ACTIVATION)
        return self._with(lambda step: (BIAS, step) if step in biased else (step,))

    def _with(self, instead: Callable[[str], Steps]) -> "Arrangement":
        """This arrangement with `instead(step)` in place of each step."""

        def changed(steps: Steps | None) -> Any:
            return None if steps is None else tuple(s for step in steps for s in instead(step))

        return replace(self, **{name: changed(getattr(self, name)) for name in HELD})

    def has_bare_norm(self) -> bool:
        """Whether some norm is not followed by an activation."""
        every = (self.first or self.each, self.each, self.last, self.after, self.head_steps)
        return any(
            step == NORM and following != ACTIVATION
            for steps in every
            for step, following in zip(steps, (*steps[1:], None), strict=False)
        )


def _before(steps: Steps) -> Steps:
    return steps[: steps.index(CONVOLUTION)]


def _from(steps: Steps) -> Steps:
    return steps[steps.index(CONVOLUTION) :]


C, N, A = CONVOLUTION, NORM, ACTIVATION

# 'Identity Mappings in Deep Residual Networks', arXiv 1603.05027, Table 2 and Figure 4.
ARRANGEMENTS = Table(
    "arrangement",
    {
        "original": Arrangement(each=(C, N, A), last=(C, N), after=(A,)),
        "bn_after_addition": Arrangement(each=(C, N, A), last=(C,), after=(N, A)),
        "relu_before_addition": Arrangement(each=(C, N, A), last=(C, N, A)),
        # SE-ResNets of two 3x3 in Cadene's pretrained-models.pytorch, and so in timm's senet.py.
        "relu_around_addition": Arrangement(each=(C, N, A), last=(C, N, A), after=(A,)),
        "relu_only_preactivation": Arrangement(each=(A, C, N), last=(A, C, N)),
        "full_preactivation": Arrangement(each=(N, A, C), last=(N, A, C)),
        # The same, and every shortcut takes x itself, as in preactresnet.py of
        # BootsofLagrangian/ortho-residual. That one has norm and ReLU behind its stem, and none
        # before its head.
        "branch_preactivation": Arrangement(each=(N, A, C), last=(N, A, C), shares_lead=False),
        # Every shortcut takes x behind the norm and activation (RegNet V of timm's regnet.py).
        "shared_preactivation": Arrangement(
            each=(N, A, C), last=(N, A, C), head=(A,), shares_lead=False, shares_every_lead=True
        ),
        # Nothing behind the addition: RegNet Z (timm's regnet.py, `linear_out`).
        "linear": Arrangement(each=(C, N, A), last=(C, N), head=(A,)),
        # ConvNeXt: one norm, behind the first convolution, and one activation, behind the second
        # (Liu et al., arXiv 2201.03545; timm's convnext.py).
        "convnext": Arrangement(first=(C, N), each=(C, A), last=(C,), stem=(C, N), head=()),
        # PyramidNet: no activation before the first convolution, a norm after the last (Han et
        # al., arXiv 1610.02915, Figure 6d); the stem and the head as in its code.
        "pyramid": Arrangement(
            first=(N, C, N, A),
            each=(C, N, A),
            last=(C, N),
            stem=(C, N),
            head=(N, A),
            shares_lead=False,
        ),
    },
)
