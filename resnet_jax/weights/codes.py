"""The names of layers in other codes, as rows: regular expressions and what takes their place.

'torchvision' is also fb.resnet.torch's port and timm's resnet.py; 'akamaster' is
pytorch_resnet_cifar10, with its own head; 'torchvision_regnet' is torchvision's regnet.py; 'flax'
is no other code: the paths in the variables, joined by slashes, and arrays in Flax's layout. The
others are files of timm.
"""

import re
from collections.abc import Callable, Sequence

from resnet_jax.models.connections.ends import at_ends
from resnet_jax.models.resnet import ResNet
from resnet_jax.tables import Table

# A convolution and its norm in timm's ConvNormAct.
PARTS = {"conv": "conv", "norm": "bn"}
Rules = Sequence[tuple[str, str | Callable[[re.Match[str]], str]]]


def _block(layout: str) -> Callable[[re.Match[str]], str]:
    return lambda found: layout.format(int(found[1]) - 1, int(found[2]) - 1, found[1])


def _shared_norm(layout: str) -> Callable[[re.Match[str]], str]:
    """The norm that a stage's first block shares with its shortcut: the block's own elsewhere."""
    return lambda found: layout.format(int(found[1]) - 1, 0, found[1])


def _torchvision(model: ResNet) -> Rules:
    deep = len(model.stem) > 1
    # In PyTorch's sequence a pool comes before the projection.
    first = 1 if at_ends(model.block.shortcut).pools else 0
    return (
        (r"^stem_conv$", f"conv1.{3 * (len(model.stem) - 1)}" if deep else "conv1"),
        (r"^stem_norm$", "bn1"),
        (r"^stem_lead_norm$", "bn_stem"),
        (r"^stem_conv(\d)$", lambda found: f"conv1.{3 * int(found[1]) - 3}"),
        (r"^stem_norm(\d)$", lambda found: f"conv1.{3 * int(found[1]) - 2}"),
        (r"^stem_pool_conv$", "maxpool.0"),
        (r"^stem_pool_norm$", "maxpool.1"),
        (r"^head_norm$", "bn_last"),
        (r"^head$", "fc"),
        (r"^stage(\d+)\.norm_shared$", _shared_norm("layer{2}.{1}.bn1")),
        (r"^stage(\d+)\.block(\d+)", _block("layer{2}.{1}")),
        # timm's res2net.py and resnest.py.
        (r"\.conv\d_scale(\d+)$", lambda found: f".convs.{int(found[1]) - 1}"),
        (r"\.norm\d_scale(\d+)$", lambda found: f".bns.{int(found[1]) - 1}"),
        (r"\.conv(\d)_splits$", r".conv\1.conv"),
        (r"\.norm(\d)_splits$", r".conv\1.bn0"),
        (r"\.norm(\d)_attention_reduce$", r".conv\1.bn1"),
        (r"\.conv(\d)_attention_reduce$", r".conv\1.fc1"),
        (r"\.conv(\d)_attention_expand$", r".conv\1.fc2"),
        (r"\.norm(\d)", r".bn\1"),
        (r"\.norm_after$", ".bn_after"),
        (r"\.projection_norm$", f".downsample.{first + 1}"),
        (r"\.projection$", f".downsample.{first}"),
        (r"\.attention_reduce$", ".se.fc1"),
        (r"\.attention_expand$", ".se.fc2"),
        (r"\.attention$", ".se.conv"),
    )


def _akamaster(model: ResNet) -> Rules:
    return (
        *_torchvision(model),
        (r"^fc$", "linear"),
        (r"\.downsample\.", ".shortcut."),
    )


def _resnetv2(model: ResNet) -> Rules:
    last = str(len(model.stem)) if len(model.stem) > 1 else ""
    return (
        (r"^stem_(conv|norm)$", rf"stem.\g<1>{last}"),
        (r"^stem_(conv|norm)(\d)$", r"stem.\1\2"),
        (r"^stem_lead_norm$", "stem.norm_lead"),
        (r"^head_norm$", "norm"),
        (r"^head$", "head.fc"),
        (r"^stage(\d+)\.norm_shared$", _shared_norm("stages.{0}.blocks.{1}.norm1")),
        (r"^stage(\d+)\.block(\d+)", _block("stages.{0}.blocks.{1}")),
        (r"\.projection_norm$", ".downsample.norm"),
        (r"\.projection$", ".downsample.conv"),
        (r"\.attention_reduce$", ".se.fc1"),
        (r"\.attention_expand$", ".se.fc2"),
        (r"\.attention$", ".se.conv"),
    )


def _flax(model: ResNet) -> Rules:
    return ()


def _sknet(model: ResNet) -> Rules:
    def path(found: re.Match[str]) -> str:
        return f".conv{found[2]}.paths.{int(found[3]) - 1}.{PARTS[found[1]]}"

    return (
        (r"\.(conv|norm)(\d)_path(\d)$", path),
        (r"\.norm(\d)_selection_reduce$", r".conv\1.attn.bn"),
        (r"\.conv(\d)_selection_reduce$", r".conv\1.attn.fc_reduce"),
        (r"\.conv(\d)_selection_expand$", r".conv\1.attn.fc_select"),
        (r"\.conv(\d)$", r".conv\1.conv"),
        (r"\.norm(\d)$", r".conv\1.bn"),
        *_torchvision(model),
    )


def _senet(model: ResNet) -> Rules:
    last = str(len(model.stem))
    return (
        (r"^stem_conv$", f"layer0.conv{last}"),
        (r"^stem_norm$", f"layer0.bn{last}"),
        (r"^stem_conv(\d)$", r"layer0.conv\1"),
        (r"^stem_norm(\d)$", r"layer0.bn\1"),
        (r"^head$", "last_linear"),
        *_torchvision(model),
        (r"\.se\.", ".se_module."),
    )


def _nfnet(model: ResNet) -> Rules:
    last = str(len(model.stem)) if len(model.stem) > 1 else ""
    names = {3: "2b", 4: "3"} if len(model.branches[0].convolutions) == 4 else {}
    attended = model.branches[0].attention_after
    attention = ".attn_last" if attended is None else ".attn"
    return (
        (
            r"^(stage.+)\.(?:conv|norm)(\d)$",
            lambda found: f"{found[1]}.conv{names.get(int(found[2]), found[2])}",
        ),
        (r"^stem_(conv|norm)$", f"stem.conv{last}"),
        (r"^stem_(conv|norm)(\d)$", r"stem.conv\2"),
        (r"^head_conv(_norm)?$", "final_conv"),
        (r"^head$", "head.fc"),
        (r"^stage(\d+)\.block(\d+)", _block("stages.{0}.{1}")),
        (r"\.projection(_norm)?$", ".downsample.conv"),
        (r"\.attention_reduce$", f"{attention}.fc1"),
        (r"\.attention_expand$", f"{attention}.fc2"),
        (r"\.attention$", f"{attention}.conv"),
    )


def _regnet(model: ResNet) -> Rules:
    # In PyTorch's sequence a pool comes before the projection.
    projection = ".downsample.1" if at_ends(model.block.shortcut).pools else ".downsample"
    rules: Rules = (
        (r"^head_conv$", "final_conv.conv"),
        (r"^head_conv_norm$", "final_conv.bn"),
        (r"^head$", "head.fc"),
        (r"^stage(\d+)\.block(\d+)", r"s\1.b\2"),
        (r"\.attention_reduce$", ".se.fc1"),
        (r"\.attention_expand$", ".se.fc2"),
    )
    if model.block.arrangement.lead:
        return (*rules, (r"^stem_conv$", "stem"), (r"\.projection$", projection))
    return (
        *rules,
        (r"^stem_conv$", "stem.conv"),
        (r"^stem_norm$", "stem.bn"),
        (r"\.conv(\d)$", r".conv\1.conv"),
        (r"\.norm(\d)$", r".conv\1.bn"),
        (r"\.projection_norm$", f"{projection}.bn"),
        (r"\.projection$", f"{projection}.conv"),
    )


def _torchvision_regnet(model: ResNet) -> Rules:
    letters = "abc"
    return (
        (r"^stem_conv$", "stem.0"),
        (r"^stem_norm$", "stem.1"),
        (r"^head$", "fc"),
        (r"^stage(\d+)\.block(\d+)", _block("trunk_output.block{2}.block{2}-{1}")),
        (r"\.conv(\d)$", lambda found: f".f.{letters[int(found[1]) - 1]}.0"),
        (r"\.norm(\d)$", lambda found: f".f.{letters[int(found[1]) - 1]}.1"),
        (r"\.projection_norm$", ".proj.1"),
        (r"\.projection$", ".proj.0"),
        (r"\.attention_reduce$", ".f.se.fc1"),
        (r"\.attention_expand$", ".f.se.fc2"),
    )


def _convnext(model: ResNet) -> Rules:
    return (
        (r"^stem_conv$", "stem.0"),
        (r"^stem_norm$", "stem.1"),
        (r"^head_pooled_norm$", "head.norm"),
        (r"^head$", "head.fc"),
        (
            r"^stage(\d+)\.transition_(norm|conv)$",
            lambda found: f"stages.{int(found[1]) - 1}.downsample.{int(found[2] == 'conv')}",
        ),
        (r"^stage(\d+)\.block(\d+)", _block("stages.{0}.blocks.{1}")),
        (r"\.conv1$", ".conv_dw"),
        (r"\.norm1$", ".norm"),
        (r"\.conv(\d)$", lambda found: f".mlp.fc{int(found[1]) - 1}"),
        (r"\.attention$", ".mlp.grn"),
    )


def _cspnet(model: ResNet) -> Rules:
    last, ends = len(model.stem), {"down": "down", "expand": "exp"}
    ends |= {"inside": "transition_b", "joined": "transition"}
    return (
        (r"^stem_(conv|norm)$", lambda found: f"stem.conv{last}.{PARTS[found[1]]}"),
        (r"^stem_(conv|norm)(\d)$", lambda found: f"stem.conv{found[2]}.{PARTS[found[1]]}"),
        (r"^head$", "head.fc"),
        (
            r"^stage(\d+)\.transition_(conv|norm)_([a-z]+)$",
            lambda found: f"stages.{int(found[1]) - 1}.conv_{ends[found[3]]}.{PARTS[found[2]]}",
        ),
        (r"^stage(\d+)\.block(\d+)", _block("stages.{0}.blocks.{1}")),
        (r"(\.blocks\..*)\.(conv|norm)(\d)$", lambda f: f"{f[1]}.conv{f[3]}.{PARTS[f[2]]}"),
    )


def _byobnet(model: ResNet) -> Rules:
    last, bare = len(model.stem), [spec.bare for spec in model.stem]
    inner = ".attn.mlp_add" if "attention_norm" in model.block.attention.layers else ".attn"

    def of_stem(found: re.Match[str]) -> str:
        number = int(found[2] or last)
        return f"stem.conv{number}" + ("" if bare[number - 1] else f".{PARTS[found[1]]}")

    def of_block(found: re.Match[str]) -> str:
        kernel = "kxk" if found[3] == "2" else "1x1"
        return f"{found[1]}.conv{found[3]}_{kernel}.{PARTS[found[2]]}"

    return (
        (r"^stem_(conv|norm)(\d?)$", of_stem),
        (r"^head_conv$", "final_conv.conv"),
        (r"^head_conv_norm$", "final_conv.bn"),
        (r"^head$", "head.fc"),
        (r"^stage(\d+)\.block(\d+)", _block("stages.{0}.{1}")),
        (r"^(stages\..*)\.(conv|norm)(\d)$", of_block),
        (r"\.projection$", ".shortcut.conv"),
        (r"\.projection_norm$", ".shortcut.bn"),
        (r"\.attention_positions$", ".attn.conv_attn"),
        (r"\.attention_reduce$", f"{inner}.fc1"),
        (r"\.attention_norm$", f"{inner}.norm"),
        (r"\.attention_expand$", f"{inner}.fc2"),
        (r"\.attention$", ".attn.conv"),
    )


NAMINGS = Table(
    "naming",
    {
        "torchvision": _torchvision,
        "resnetv2": _resnetv2,
        "akamaster": _akamaster,
        "flax": _flax,
        "senet": _senet,
        "sknet": _sknet,
        "nfnet": _nfnet,
        "convnext": _convnext,
        "cspnet": _cspnet,
        "byobnet": _byobnet,
        "regnet": _regnet,
        "torchvision_regnet": _torchvision_regnet,
    },
)
