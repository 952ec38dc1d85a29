"""Networks from names and depths: the two families of the papers."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, islice
from typing import Any, NamedTuple

from resnet_jax.models.branch import Branch
from resnet_jax.models.branches import BRANCHES
from resnet_jax.models.choosing import arguments_of, build, defaults_of, tables_of
from resnet_jax.models.heads import HEADS
from resnet_jax.models.layers import Layers
from resnet_jax.models.norms import NORMS
from resnet_jax.models.pooling import STEM_POOLS
from resnet_jax.models.residual import Block
from resnet_jax.models.resnet import REMATS, ResNet
from resnet_jax.models.stems import STEMS
from resnet_jax.models.transitions import TRANSITIONS
from resnet_jax.tables import Choice, Table, UserError, nearest, options_of, split

# Blocks in each stage: arXiv 1512.03385, Table 1; 200: arXiv 1603.05027, section 5.
IMAGENET_DEPTHS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}


class Family(NamedTuple):
    """Stem and widths that the networks for one kind of image share."""

    stem: str
    stem_pool: str
    stem_width: int
    widths: tuple[int, ...]


FAMILIES = Table(
    "model.family",
    {
        "cifar": Family("cifar", "none", stem_width=16, widths=(16, 32, 64)),
        "imagenet": Family("imagenet", "max", stem_width=64, widths=(64, 128, 256, 512)),
    },
)
# An argument that is given rules out another one, which would say the same differently.
RULES_OUT = {"depth": "stage_depths", "branch": "stage_branches"}
# The tables that arguments of the network itself choose from.
OF_NETWORK: dict[str, Table] = {"transition": TRANSITIONS, "head": HEADS}
# The tables that arguments of `resnet` choose from.
TABLES: dict[str, Table] = {
    "family": FAMILIES,
    "stem": STEMS,
    "stem_pool": STEM_POOLS,
    "remat": REMATS,
    "norm": NORMS,
    **tables_of(Block),
    **tables_of(Layers),
    **OF_NETWORK,
}


def resnet(
    *,
    family: str,
    depth: int | None = None,
    stage_depths: Sequence[int] = (),
    widths: Sequence[int] = (),
    widening: int | None = None,
    width_factor: float = 1,
    stem: str | None = None,
    stem_pool: str | None = None,
    stem_width: int | None = None,
    branch: Choice | None = None,
    stage_branches: Sequence[Choice] = (),
    remat: str = "none",
    **others: Any,
) -> ResNet:
    """Builds a network from the rows of the tables; see tables.Choice.

    Args:
      family: 'cifar' (3x3 stem, three stages) or 'imagenet' (7x7 stem and pool, four stages).
      depth: layers with weights, counted as the papers do; unused where `stage_depths` is given.
      stage_depths: blocks in each stage.
      widths: of the stages; empty for the family's.
      widening: features that the blocks add to the stem's in equal steps, in place of `widths`:
        the alpha of PyramidNets (Han et al., arXiv 1610.02915).
      width_factor: multiplies the stages' widths (k of Wide ResNet), not the stem's.
      stem, stem_pool, stem_width: None for the family's.
      branch: None for the family's: basic, and on ImageNet bottleneck from depth 50.
      stage_branches: one a stage, in place of `branch`.
      others: other attributes of residual.Block, layers.Layers and ResNet.

    Raises:
      UserError: an unknown name, an option that its row does not take, an impossible depth.
    """
    chosen = FAMILIES.choose(family)
    branch = branch or _branch(family, depth)
    block = build(Block, {"branch": branch, **_taken(others, Block)})
    layers = build(Layers, _taken(others, Layers))
    stage_depths = tuple(stage_depths) or _stage_depths(family, depth, branch, block.branch)
    stem_width = stem_width or chosen.stem_width
    if widening and widths:
        raise UserError(
            "model.widening and model.widths both say how wide blocks are: leave one of them out"
        )
    block_widths: tuple[tuple[int, ...], ...] = ()
    if widening:
        block_widths = _widening(stem_width, widening, stage_depths, width_factor)
        widths = tuple(stage[-1] for stage in block_widths)
    else:
        widths = tuple(round(width * width_factor) for width in widths or chosen.widths)
    return ResNet(
        stage_depths=stage_depths,
        stage_widths=widths,
        block_widths=block_widths,
        stem=STEMS.choose(stem or chosen.stem),
        stem_pool=STEM_POOLS.choose(stem_pool or chosen.stem_pool),
        stem_width=stem_width,
        block=block,
        layers=layers,
        stage_branches=tuple(BRANCHES.choose(name)() for name in stage_branches),
        remat=REMATS.choose(remat),
        **_rest(others),
    )


def _branch(family: str, depth: int | None) -> str:
    return "bottleneck" if family == "imagenet" and (depth or 0) >= 50 else "basic"


def _widening(
    start: int, added: int, depths: Sequence[int], factor: float
) -> tuple[tuple[int, ...], ...]:
    """Widths of blocks that grow in equal steps, rounded (dyhan0920/PyramidNet-PyTorch)."""
    # Added up, and not multiplied, as the code does: the last bits decide where .5 is rounded.
    exact = accumulate([added / sum(depths)] * sum(depths), initial=float(start))
    widths = iter([round(width * factor) for width in exact][1:])
    return tuple(tuple(islice(widths, depth)) for depth in depths)


def with_defaults(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `resnet`, each None replaced by the family's value."""
    family, depth = arguments["family"], arguments.get("depth")
    own = FAMILIES.choose(family)
    by_family = {"branch": _branch(family, depth), "stem": own.stem, "stem_pool": own.stem_pool}
    given = {name: value for name, value in arguments.items() if value is not None}
    return {**by_family, **given}


def _taken(arguments: Mapping[str, Any], record: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name in arguments_of(record)}


def _rest(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the network itself.

    Raises:
      UserError: an argument that nothing takes.
    """
    own = {
        "classes",
        "first_stride",
        "head_width",
        "survival",
        "scan_blocks",
        "frozen_parts",
        *OF_NETWORK,
    }
    others = arguments_of(Block) | arguments_of(Layers)
    for name in arguments:
        if name not in own | others:
            valid = sorted(own | others | set(TABLES))
            raise UserError(f"a network takes no '{name}'{nearest(name, valid)}")
    return {
        name: OF_NETWORK[name].choose(value) if name in OF_NETWORK else value
        for name, value in arguments.items()
        if name in own
    }


def _stage_depths(
    family: str, depth: int | None, choice: Choice, branch: Branch
) -> tuple[int, ...]:
    if depth is None:
        raise UserError("give the network a model.depth, or model.stage_depths")
    if family == "imagenet":
        if depth not in IMAGENET_DEPTHS:
            valid = ", ".join(map(str, IMAGENET_DEPTHS))
            raise UserError(
                f"no ImageNet network has depth {depth}; valid: {valid}, or give model.stage_depths"
            )
        return IMAGENET_DEPTHS[depth]
    step, outside = 3 * branch.layers, branch.layers_outside
    blocks, remainder = divmod(depth - outside, step)
    if remainder or blocks < 1:
        below = max(1, blocks) * step + outside
        raise UserError(
            f"depth {depth} is not {step}n+{outside}, as three stages of '{split(choice)[0]}'"
            f" blocks need: choose {below} or {below + step}"
        )
    return (blocks,) * 3


# What `resnet` builds where an argument is not given.
DEFAULTS = {
    **options_of(resnet),
    **defaults_of(Block),
    **defaults_of(Layers),
    "norm": "batch",
    "transition": "block",
    "head": "mean",
    "first_stride": ResNet.first_stride,
    "head_width": ResNet.head_width,
    "survival": ResNet.survival,
    "scan_blocks": ResNet.scan_blocks,
}
