"""Finding a published network by its name, and what is said of one that can't be built."""

import difflib
import fnmatch
from collections.abc import Mapping
from typing import Any

from resnet_jax.models.published.catalogue import ROWS
from resnet_jax.tables import UserError, nearest

# Residual networks of timm and their relatives that have no row, by patterns of their names.
ABSENT: dict[tuple[str, ...], str] = {
    ("dm_nfnet_*", "nf_regnet_*"): "NFNets with DeepMind's padding and NF-RegNets",
    ("convnext*_ols", "convnext*_rms", "convnext*_hnf", "convnext*_mlp", "test_convnext*"): (
        "ConvNeXts with other stems, norms and heads"
    ),
    ("cspnext*", "cs3*", "*darknet*"): "cross-stage partial networks of dark and edge blocks",
    ("regnetz_*_evos", "test_regnet*"): "RegNets Z with EvoNorm",
    ("gernet_*", "repvgg_*", "mobileone_*", "test_byobnet"): "GENets, RepVGGs and MobileOnes",
    (
        "bat_resnext26ts",
        "resnet61q",
    ): "ResNets of timm's byobnet.py with bilinear attention or edges",
    ("resnet*_clip*", "resnet50_mlp"): "ResNets with attention pooling",
    ("*botne*", "*halo*", "lambda_resnet*"): "ResNets with attention over positions",
    ("tresnet_*",): "TResNets",
    ("hrnet_*",): "HRNets",
    ("dla*",): "deep layer aggregations",
    ("dpn*", "densenet*", "rdnet_*"): "DenseNets and dual path networks",
    ("*vovnet*", "selecsls*"): "VoVNets and SelecSLS",
    ("xception*", "legacy_xception", "inception_*", "nasnet*", "pnasnet*"): "Inceptions",
    ("*_pruned",): "pruned networks",
    ("*vit_*", "deit*", "beit*", "eva02_*", "swin*", "vgg*"): "networks without residual blocks"
    " of convolutions",
    ("*efficientnet*", "mobilenet*", "mnasnet*", "rexnet*"): "networks of inverted bottlenecks",
}


def find(name: str) -> Mapping[str, Any]:
    """The row of ROWS of that name: arguments of `building.resnet`.

    Raises:
      UserError: there is no such network. The sentence names the nearest, and the kind of a network
        that is known and can't be built.
    """
    if name in ROWS:
        return ROWS[name]
    every = f"'python -m resnet_jax rows network' lists all {len(ROWS)}"
    for patterns, kind in ABSENT.items():
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            close = difflib.get_close_matches(name, ROWS, n=1, cutoff=0)
            raise UserError(
                f"'{name}' can't be built, as there are no {kind} here; the nearest name that can"
                f" is '{close[0]}', and {every}"
            )
    network, _, _ = name.partition(".")  # timm names weights behind a point: resnet50.a1_in1k
    raise UserError(f"unknown network '{name}'{nearest(network, ROWS)}; {every}")
