"""Writes what small networks of timm's classes compute: `python write_timm.py [folder] [names]`.

Needs torch, torchvision and timm. Widths and depths are small, the options those of the networks
that the names recall.
"""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from stepping import step
from tensors import CLASSES, digest
from timm.layers import (
    BatchNormAct2d,
    BlurPool2d,
    EvoNorm2dS0,
    FilterResponseNormTlu2d,
    GroupNorm,
    GroupNormAct,
    StdConv2d,
    create_conv2d,
    get_attn,
)
from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg
from timm.models.convnext import ConvNeXt
from timm.models.cspnet import CspModelCfg, CspNet, CspStagesCfg, CspStemCfg
from timm.models.nfnet import NfCfg, NormFreeNet
from timm.models.regnet import RegNet, RegNetCfg
from timm.models.res2net import Bottle2neck
from timm.models.resnest import ResNestBottleneck
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from timm.models.resnetv2 import ResNetV2
from timm.models.senet import SENet, SEResNetBlock
from timm.models.sknet import SelectiveKernelBottleneck
from torch import nn

SIZES = (32, 33)
NARROW = (4, 4, 6, 8)
DEEP = {"stem_type": "deep", "stem_width": 4}
D = {**DEEP, "avg_down": True}
RS_ATTENTION = partial(get_attn("se"), rd_ratio=0.25)


def resnet(block, channels=NARROW, layers=(1, 1, 1, 1), attention=None, block_args=None, **options):
    block_args = {"attn_layer": attention} if attention else block_args
    return ResNet(block, layers, CLASSES, channels=channels, block_args=block_args, **options)


def resnetv2(channels, layers=(1, 1, 1), **options):
    options = {"conv_layer": create_conv2d, "norm_layer": BatchNormAct2d, "stem_chs": 8, **options}
    return ResNetV2(layers, channels, CLASSES, **options)


def free(depths, channels, **options):
    options = {"act_layer": "relu", "attn_layer": "se", **options}
    return NormFreeNet(NfCfg(depths, channels, **options), num_classes=CLASSES)


def convnext(**options):
    options = {"depths": (1, 2, 1, 1), "dims": (8, 16, 24, 32), "conv_mlp": True, **options}
    return ConvNeXt(num_classes=CLASSES, **options)


def cspnet(stem, **options):
    kernel = 3 if isinstance(stem, tuple) else 7
    stem = CspStemCfg(out_chs=stem, kernel_size=kernel, stride=4, pool="max")
    options = {"depth": (1, 2, 1), "out_chs": (8, 12, 16), "stride": (1, 2), **options}
    stages = CspStagesCfg(cross_linear=True, **options)
    return CspNet(CspModelCfg(stem=stem, stages=stages), num_classes=CLASSES)


def byobnet(stages, **options):
    blocks = [
        ByoBlockCfg("bottle", d=depth, c=width, s=1 + (number > 0), gs=groups, br=ratio)
        for number, (depth, width, groups, ratio) in enumerate(stages)
    ]
    model = ByoModelCfg(tuple(blocks), stem_chs=16, **options)
    return ByobNet(model, num_classes=CLASSES)


def regnet(group_size, **options):
    # Widths 8, 16, 32, 64 and depths 1, 1, 2, 2, by the rule of RegNets.
    line = RegNetCfg(6, 8, 12.0, 2.0, group_size, se_ratio=0.25, stem_width=8)
    options = {"act_layer": "silu", **options}
    return RegNet(replace(line, **options), num_classes=CLASSES)


BOTTLENECKS = (32, 32, 64)
V2_D = {"stem_type": "deep", "avg_down": True}
NETS = {
    "timm_resnet_d": lambda: resnet(Bottleneck, layers=(1, 2, 1, 1), **D),
    "timm_resnet_t": lambda: resnet(
        BasicBlock, stem_type="deep_tiered", stem_width=8, avg_down=True
    ),
    "timm_resnext": lambda: resnet(Bottleneck, (8, 8, 8, 8), cardinality=4, base_width=16, **D),
    "timm_wide": lambda: resnet(Bottleneck, base_width=128),
    "timm_seresnet": lambda: resnet(BasicBlock, attention="se", **DEEP),
    "timm_senet": lambda: resnet(
        Bottleneck, (8, 8, 8, 8), cardinality=4, base_width=16, attention="se",
        block_reduce_first=2, down_kernel_size=3, **DEEP,
    ),
    "timm_ecaresnet": lambda: resnet(Bottleneck, attention="eca", **D),
    "timm_resnetblur": lambda: resnet(Bottleneck, aa_layer=BlurPool2d, **D),
    "timm_resnetaa": lambda: resnet(BasicBlock, aa_layer=nn.AvgPool2d, **D),
    "timm_resnetrs": lambda: resnet(
        Bottleneck, replace_stem_pool=True, attention=RS_ATTENTION, **D
    ),
    "timm_resnet_gn": lambda: resnet(BasicBlock, norm_layer=partial(GroupNorm, num_groups=2), **D),
    "timm_mixed": lambda: resnet([BasicBlock, BasicBlock, Bottleneck, BasicBlock], **D),
    "timm_resnetv2": lambda: resnetv2(BOTTLENECKS, layers=(1, 2, 1)),
    "timm_resnetv2_basic": lambda: resnetv2((8, 16, 16), basic=True, bottle_ratio=1.0, **V2_D),
    "timm_resnetv2_bit": lambda: resnetv2(
        BOTTLENECKS, stem_type="fixed", conv_layer=partial(StdConv2d, eps=1e-8),
        norm_layer=partial(GroupNormAct, num_groups=4),
    ),
    "timm_resnetv2_evos": lambda: resnetv2(
        BOTTLENECKS, norm_layer=partial(EvoNorm2dS0, groups=2), stem_chs=16,
        stem_type="tiered", avg_down=True,
    ),
    "timm_resnetv2_frn": lambda: resnetv2(
        BOTTLENECKS, norm_layer=FilterResponseNormTlu2d, **V2_D
    ),
    "timm_legacy_senet": lambda: SENet(
        SEResNetBlock, (1, 1, 1, 1), groups=1, reduction=16, drop_rate=0.0, num_classes=CLASSES
    ),
    "timm_res2net": lambda: resnet(
        Bottle2neck, (8, 8, 8, 8), (1, 2, 1, 1), cardinality=2, base_width=32,
        block_args={"scale": 3},
    ),
    "timm_resnest": lambda: resnet(
        ResNestBottleneck, (8, 8, 8, 8), cardinality=2, base_width=64,
        block_args={"radix": 2, "avd": True}, **D,
    ),
    "timm_nf_seresnet": lambda: free(
        (1, 2, 1, 1), (32, 32, 48, 64), stem_type="7x7_pool", stem_chs=8, bottle_ratio=0.25,
        ch_div=4, attn_kwargs={"rd_ratio": 1 / 16}, skipinit=True,
    ),
    "timm_nfnet": lambda: free(
        (1, 2, 1, 1), (8, 16, 24, 32), stem_type="deep_quad", stem_chs=16, group_size=4,
        bottle_ratio=0.5, ch_div=4, extra_conv=True, num_features=48, act_layer="silu",
        attn_kwargs={"rd_ratio": 0.5},
    ),
    "timm_cspresnet": lambda: cspnet(8, expand_ratio=2.0, bottle_ratio=0.5),
    "timm_cspresnext": lambda: cspnet(
        (4, 4, 8), expand_ratio=1.0, bottle_ratio=1.0, block_ratio=0.5, groups=2
    ),
    "timm_convnext": lambda: convnext(ls_init_value=0.5),
    "timm_convnextv2": lambda: convnext(ls_init_value=None, use_grn=True),
    "timm_sknet": lambda: resnet(
        SelectiveKernelBottleneck, (8, 8, 8, 8), cardinality=2, base_width=32,
        block_args={"sk_kwargs": {"rd_ratio": 1 / 2, "rd_divisor": 4, "split_input": False}},
    ),
    "timm_regnety": lambda: regnet(8, act_layer="relu"),
    "timm_byob_gc": lambda: byobnet(
        [(1, 16, 8, 0.5), (2, 32, 8, 0.5), (1, 48, 8, 0.5)], stem_type="tiered", act_layer="silu",
        attn_layer="gca",
    ),
    "timm_byob_quad": lambda: byobnet(
        [(1, 16, 0, 0.5), (2, 32, 0, 0.5), (1, 32, 1, 1.0)], stem_type="quad2", stem_pool="",
        num_features=24, act_layer="silu", attn_layer="se",
    ),
    "timm_byob_regnetz": lambda: byobnet(
        [(2, 16, 8, 2.0), (1, 24, 8, 2.0)], stem_type="tiered", stem_pool="", downsample="",
        num_features=24, act_layer="silu", attn_layer="se", attn_kwargs={"rd_ratio": 0.25},
        block_kwargs={"bottle_in": True, "linear_out": True},
    ),
    "timm_byob_eca": lambda: byobnet(
        [(1, 16, 0, 0.5), (1, 32, 0, 0.5)], stem_type="tiered", stem_pool="", attn_layer="eca",
    ),
    "timm_regnetv": lambda: regnet(8, preact=True),
    "timm_regnetv_pooled": lambda: regnet(8, preact=True, downsample="avg"),
    "timm_regnetz": lambda: regnet(
        4, bottle_ratio=4.0, downsample=None, linear_out=True, num_features=24
    ),
    "timm_regnet_sgn": lambda: regnet(8, norm_layer=partial(GroupNormAct, group_size=4)),
}  # fmt: skip


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name in sys.argv[2:] or NETS:
        arrays, updated = step(NETS[name](), SIZES)
        digests = np.stack([digest(*item) for item in updated.items()]).astype(np.float32)
        np.savez_compressed(folder / f"{name}.npz", digests=digests, **arrays)
        print(f"{name}: {len(updated)} tensors")
