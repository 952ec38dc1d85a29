"""The architecture behind a state dict, as far as its names and shapes tell."""

import difflib
import re
from collections.abc import Mapping
from typing import NamedTuple

from resnet_jax.models.connections.ends import at_ends
from resnet_jax.models.published import ROWS, named
from resnet_jax.models.resnet import ResNet
from resnet_jax.weights.files import Tensors
from resnet_jax.weights.naming import module_name, naming_of

BLOCK = re.compile(
    r"^(?:layer|stages\.|s|trunk_output\.block)(\d+)\.(?:blocks\.|b|block\d+-)?(\d+)\.(.+)$"
)
# What the codes call the same layers of a block, and their names in most codes.
ALIASES = (
    (r"^f\.a\.0", "conv1"),
    (r"^f\.b\.0", "conv2"),
    (r"^f\.c\.0", "conv3"),
    (r"^f\.se", "se"),
    (r"^conv_dw", "conv1"),
    (r"^mlp\.fc1", "conv2"),
    (r"^mlp\.fc2", "conv3"),
    (r"^mlp\.grn", "se.grn"),
    (r"^(se_module|attn(_last)?)\.", "se."),
    (r"^proj\.", "downsample."),
    (r"^(conv\d)\.(?:paths\.0\.)?conv", r"\1"),
    (r"^(conv\d)_(?:1x1|kxk)\.conv", r"\1"),
    (r"^convs\.0", "conv2"),
)


class Outline(NamedTuple):
    """The features by which networks differ, the most telling first."""

    stage_depths: tuple[int, ...]
    convolutions: tuple[int, ...]  # of a block, in each stage
    widths: tuple[int, ...]  # of the last block's first convolution, in each stage
    groups: int  # of the last block's second convolution, times the parts of a compound one
    preactivated: bool
    attention: tuple[str, ...]  # names of the attention's layers in the state dict
    stem_widths: tuple[int, ...]  # of the stem's convolutions
    stem_kernel: int
    projects: bool
    stem_pool_learns: bool
    option_d: bool
    batch_statistics: bool


def outline_of_tensors(tensors: Tensors) -> Outline | None:
    """Returns None where the names are not those of a residual network."""
    stages: dict[int, dict[int, dict[str, tuple[int, ...]]]] = {}
    for name, tensor in tensors.items():
        if found := BLOCK.match(name):
            stage = stages.setdefault(int(found[1]), {})
            stage.setdefault(int(found[2]), {})[_alias(found[3])] = tensor.shape
    if not stages:
        return None
    ordered = [stages[key] for key in sorted(stages)]
    lasts = [stage[max(stage)] for stage in ordered]
    firsts = {name for stage in ordered for name in stage[min(stage)]}
    stem = {
        name: tensor.shape
        for name, tensor in tensors.items()
        if re.match(r"(stem|conv1|layer0)\b", name) and name.endswith("weight") and tensor.ndim == 4
    }
    stem_shapes = [stem[name] for name in sorted(stem)]
    second = lasts[-1].get("conv2.weight", (0, 1))
    first = lasts[-1].get("conv1.weight", (0, 1))
    return Outline(
        stage_depths=tuple(max(stage) - min(stage) + 1 for stage in ordered),
        convolutions=tuple(
            sum(bool(re.match(r"conv\d\w?\.weight", name)) for name in block) for block in lasts
        ),
        widths=tuple(block.get("conv1.weight", (0,))[0] for block in lasts),
        groups=first[0] // max(1, second[1]),
        preactivated=any(name.startswith("bn_last") for name in tensors)
        or "norm.weight" in tensors
        or "s1.b1.norm1.weight" in tensors
        or naming_of(tensors) == "nfnet",
        attention=_attention(lasts[-1]),
        stem_widths=tuple(shape[0] for shape in stem_shapes),
        stem_kernel=stem_shapes[-1][2] if stem_shapes else 0,
        projects=any(re.match(r"downsample|shortcut", name) for name in firsts),
        stem_pool_learns="maxpool.0.weight" in tensors,
        option_d="downsample.2.weight" in firsts,
        batch_statistics=any(name.endswith("running_mean") for name in tensors),
    )


def _alias(layer: str) -> str:
    for pattern, name in ALIASES:
        layer = re.sub(pattern, name, layer)
    return layer


def _attention(block: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
    found = (re.fullmatch(r"se\.(?:.+\.)?(\w+)\.weight", name) for name in block)
    return tuple(sorted(f"se.{match[1]}" for match in found if match))


def _attention_layers(model: ResNet, naming: str) -> tuple[str, ...]:
    paths = [("stage1", "block1", layer) for layer in model.block.attention.layers]
    names = [module_name(model, naming, path) for path in paths]
    return tuple(sorted(f"se.{name.rpartition('.')[2]}" for name in names))


def outline_of_model(model: ResNet, naming: str) -> Outline:
    """The outline of the model's state dict in that naming, as `outline_of_tensors` gives it."""
    firsts = [branch.convolutions[0] for branch in model.branches]
    second = model.branches[-1].convolutions[1]
    parts = second.compound.parts if second.compound else 1
    block, shortcut = model.block, at_ends(model.block.shortcut)
    widths = tuple(
        first.features(width) for first, width in zip(firsts, model.stage_widths, strict=True)
    )
    return Outline(
        stage_depths=tuple(model.stage_depths),
        convolutions=tuple(len(branch.convolutions) for branch in model.branches),
        widths=widths,
        groups=second.groups_in(second.features(model.stage_widths[-1])) * parts,
        preactivated=bool(block.arrangement.lead),
        attention=_attention_layers(model, naming),
        stem_widths=tuple(conv.features(model.stem_width) for conv in model.stem),
        stem_kernel=model.stem[-1].kernel,
        projects=shortcut.projects,
        stem_pool_learns=model.stem_pool.learns,
        option_d=shortcut.pools and naming not in ("resnetv2", "nfnet", "regnet"),
        batch_statistics=model.layers.norm.running,
    )


def nearest_network(tensors: Tensors) -> str:
    """Says in a clause which published network the tensors look most like."""
    outline = outline_of_tensors(tensors)
    if outline is None:
        return "its names are not those of a residual network"
    naming = naming_of(tensors)

    def distance(name: str) -> float:
        other = outline_of_model(named(name), naming)
        # Fields that come first weigh more; unequal values count less, the more alike they are.
        total = 0.0
        for weight, (mine, yours) in enumerate(
            zip(reversed(outline), reversed(other), strict=True)
        ):
            likeness = difflib.SequenceMatcher(None, str(mine), str(yours)).ratio()
            total += (2 + weight) * (mine != yours) * (2 - likeness)
        cifar_code = naming == "akamaster"
        return total - 0.5 * (cifar_code and name.endswith("akamaster"))

    best = min(ROWS, key=distance)
    return f"the nearest network that would fit is '{best}'"
