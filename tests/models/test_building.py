"""Published networks by their names and depths."""

import json
import math

import jax
import jax.numpy as jnp
import pytest

from resnet_jax.models.building import IMAGENET_DEPTHS, resnet
from resnet_jax.models.layers import DTYPES
from resnet_jax.tables import UserError

PREACTIVATED = {"arrangement": "full_preactivation"}
WIDE = {"branch": "wide", "shortcut": "B", **PREACTIVATED}

# The source of a count is the paper's or its authors' code; see `published.json` for the first ten.
COUNTS = {
    "cifar resnet20-A": (269_722, {"depth": 20, "shortcut": "A"}),
    "cifar resnet32-A": (464_154, {"depth": 32, "shortcut": "A"}),
    "cifar resnet44-A": (658_586, {"depth": 44, "shortcut": "A"}),
    "cifar resnet56-A": (853_018, {"depth": 56, "shortcut": "A"}),
    "cifar resnet110-A": (1_727_962, {"depth": 110, "shortcut": "A"}),
    "resnet18": (11_689_512, {"depth": 18}),
    "resnet34": (21_797_672, {"depth": 34}),
    "resnet50": (25_557_032, {"depth": 50}),
    "resnet101": (44_549_160, {"depth": 101}),
    "resnet152": (60_192_808, {"depth": 152}),
    # arXiv 1603.05027: github.com/KaimingHe/resnet-1k-layers
    "cifar resnet164, full pre-activation": (
        1_703_258,
        {"depth": 164, "branch": "bottleneck", "shortcut": "B", **PREACTIVATED},
    ),
    # arXiv 1605.07146, Table 4: 36.5M, 8.9M and 11.0M
    "cifar WRN-28-10": (36_479_194, {"depth": 28, "width_factor": 10, **WIDE}),
    "cifar WRN-40-4": (8_949_210, {"depth": 40, "width_factor": 4, **WIDE}),
    "cifar WRN-16-8": (10_961_370, {"depth": 16, "width_factor": 8, **WIDE}),
}


def shapes(model, size=32):
    images = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    return jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)


def count(model):
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes(model)["params"]))


def published(name, **choices):
    family, classes = ("cifar", 10) if name.startswith("cifar") else ("imagenet", 1_000)
    # A scan is traced, and so counted, in a fraction of the time.
    scan = choices["depth"] >= 100
    return resnet(family=family, classes=classes, scan_blocks=scan, **choices)


@pytest.mark.parametrize("name", COUNTS)
def test_published_parameter_counts(name):
    expected, choices = COUNTS[name]
    assert count(published(name, **choices)) == expected


def test_every_count_of_the_reference_is_tested(shared):
    reference = json.loads((shared / "reference/published.json").read_text())["parameter_counts"]
    reference.pop("source")
    assert {name: COUNTS[name][0] for name in reference} == reference


def test_resnet_1202_has_19_4_million(shared):
    model = published("cifar resnet1202-A", depth=1202, shortcut="A")
    reference = json.loads((shared / "reference/published.json").read_text())
    assert round(count(model) / 1e6, 1) == reference["cifar10_depth"]["params_millions"]["1202"]


@pytest.mark.parametrize("arrangement", ["original", "full_preactivation"])
@pytest.mark.parametrize("depth", [8, 20, 56, 110])
def test_plain_and_option_a_twins_have_equal_counts(depth, arrangement):
    plain, residual = (
        count(published("cifar", depth=depth, shortcut=shortcut, arrangement=arrangement))
        for shortcut in ("none", "A")
    )
    assert plain == residual


def convolutions_and_heads(params):
    """Layers with weights, but for the projections, which the papers do not count."""
    names = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    return len([name for name in names if "kernel" in name and "projection" not in name])


@pytest.mark.parametrize(
    ("family", "depth", "choices", "stage_depths"),
    [
        ("cifar", 20, {}, (3, 3, 3)),
        ("cifar", 29, {"branch": "bottleneck"}, (3, 3, 3)),
        ("cifar", 29, {"branch": "bottleneck_v1"}, (3, 3, 3)),
        ("cifar", 26, {"branch": "deep"}, (2, 2, 2)),
        ("cifar", 20, {"branch": {"name": "deep", "pairs": 3}}, (1, 1, 1)),
        ("imagenet", 18, {}, (2, 2, 2, 2)),
        ("imagenet", 50, {}, (3, 4, 6, 3)),
    ],
)
def test_depth_is_the_number_of_layers_with_weights(family, depth, choices, stage_depths):
    model = resnet(family=family, classes=10, depth=depth, **choices)
    assert model.stage_depths == stage_depths
    assert convolutions_and_heads(shapes(model)["params"]) == depth


def test_wide_resnet_counts_two_of_its_projections():
    model = resnet(family="cifar", classes=10, depth=16, width_factor=2, **WIDE)
    assert model.stage_depths == (2, 2, 2)
    assert convolutions_and_heads(shapes(model)["params"]) == 16 - 2


def test_imagenet_depths_are_the_layers_of_their_blocks():
    for depth, blocks in IMAGENET_DEPTHS.items():
        assert depth == (3 if depth >= 50 else 2) * sum(blocks) + 2


def test_stage_widths_and_stem():
    model = resnet(family="cifar", classes=10, depth=16, width_factor=2.5, stem_width=5, **WIDE)
    params = shapes(model)["params"]
    assert params["stem_conv"]["kernel"].shape == (3, 3, 3, 5)
    widths = [params[f"stage{n}"]["block1"]["conv1"]["kernel"].shape[-1] for n in (1, 2, 3)]
    assert widths == [40, 80, 160]


def test_a_pyramid_widens_with_every_block():
    options = {"depth": 14, "widening": 9, "stem_width": 5, "shortcut": "A", "width_factor": 2}
    model = resnet(family="cifar", classes=10, **options)
    # Twice 5 + 1.5 k, of six blocks.
    assert model.block_widths == ((13, 16), (19, 22), (25, 28))
    assert model.stage_widths == (16, 22, 28)
    params = shapes(model)["params"]
    assert params["stage2"]["block1"]["conv1"]["kernel"].shape == (3, 3, 16, 19)
    assert params["stage3"]["block2"]["conv2"]["kernel"].shape == (3, 3, 28, 28)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"depth": 21}, r"depth 21 is not 6n\+2.*'basic'.*: choose 20 or 26"),
        ({"depth": 5}, r"depth 5 is not 6n\+2.*: choose 8 or 14"),
        ({"depth": 26, "branch": "bottleneck"}, r"depth 26 is not 9n\+2.*: choose 20 or 29"),
        ({"depth": 28, "branch": "deep"}, r"depth 28 is not 12n\+2.*: choose 26 or 38"),
        ({"depth": 20, **WIDE}, r"depth 20 is not 6n\+4.*: choose 16 or 22"),
        ({}, r"model\.depth, or model\.stage_depths"),
        ({"depth": 51, "family": "imagenet"}, "depth 51; valid: 18, 34, 50, 101, 152, 200"),
        ({"depth": 20, "widening": 8, "widths": (4, 4, 4)}, r"both say how wide blocks are"),
        ({"depth": 20, "widening": 8, "scan_blocks": True}, r"set model\.scan_blocks=False"),
        ({"stage_depths": (1, 1)}, r"2 stage depths \(1, 1\) for 3 widths \(16, 32, 64\)"),
        ({"depth": 20, "family": "cifar10"}, "'cifar10'.*mean 'cifar'.*valid: cifar, imagenet"),
        ({"depth": 20, "branch": "bottelneck"}, "branch 'bottelneck'.*mean 'bottleneck"),
        ({"depth": 20, "arrangement": "preactivation"}, "arrangement.*mean '.*_preactivation'"),
        (
            {"depth": 20, "norm": "grp"},
            "norm 'grp'.*mean 'group'.*valid: batch, group, layer, evo, filter_response, affine",
        ),
        ({"depth": 20, "dtype": "float16"}, "model.dtype 'float16'.*mean '.*float"),
        (
            {"depth": 20, "branch": {"name": "basic", "pairs": 2}},
            "'basic' takes no pairs: .*: deep$",
        ),
        ({"depth": 20, "norm": {"name": "group", "momentum": 0.9}}, "takes no momentum"),
        ({"branch": {"name": "deep", "pairs": 0}}, "option pairs=0 must be a whole number from 1"),
        (
            {"branch": {"name": "wide", "kernels": (3, 2)}},
            r"kernels=\(3, 2\) must be .* an odd number",
        ),
        ({"branch": {"name": "wide", "kernels": ()}}, "model.branch.kernels is empty"),
        ({"depth": 20, "survival": 0.0}, r"model.survival=0\.0 must lie in \(0, 1\]"),
        ({"depth": 20, "dropout": 1.0}, r"model.dropout=1\.0 must lie in \[0, 1\)"),
    ],
)
def test_mistakes_are_answered_in_one_sentence(choices, message):
    with pytest.raises(UserError, match=message) as error:
        resnet(**{"family": "cifar", "classes": 10, **choices})
    assert "\n" not in str(error.value)


def test_the_suggested_depths_are_valid():
    for depth in (20, 26):
        assert (
            resnet(family="cifar", classes=10, depth=depth).stage_depths == ((depth - 2) // 6,) * 3
        )


def test_options_left_at_none_keep_the_rows_defaults():
    model = resnet(
        family="cifar",
        classes=10,
        branch={"name": "deep", "pairs": None},
        depth=14,
    )
    assert model.block.branch.repeats == 2


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("norm", ["batch", "group", "none"])
def test_parameters_statistics_and_logits_are_float32(dtype, norm):
    model = resnet(family="cifar", classes=10, depth=8, dtype=dtype, norm=norm)
    x = jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.float32)
    variables = shapes(model)
    logits, state = jax.eval_shape(
        lambda variables, x: model.apply(variables, x, train=True, mutable=["batch_stats"]),
        variables,
        x,
    )
    leaves = jax.tree.leaves((variables, state, logits))
    assert {str(leaf.dtype) for leaf in leaves} == {"float32"}
    assert model.layers.dtype == DTYPES[dtype]
