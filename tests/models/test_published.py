"""Published networks by their names."""

import json
import math
from dataclasses import fields, is_dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from ml_collections import ConfigDict

from configs import default
from resnet_jax.assembly import Assembly, configuration
from resnet_jax.models import ROWS, create, names
from resnet_jax.models.published.finding import ABSENT
from resnet_jax.tables import UserError

COUNTS = json.loads((Path(__file__).parents[1] / "golden" / "parameter_counts.json").read_text())
VERSIONS = COUNTS.pop("versions")
EXPECTED = {**COUNTS["papers"], **COUNTS["timm"], **COUNTS["torchvision"]}


def parameters(model) -> int:
    """Counted on a scan where blocks are alike, since the time of its trace does not grow.

    Nothing is drawn, which saves a fifth of the trace.
    """
    images = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    zeros = replace(model.layers, kernel_init=jax.nn.initializers.zeros)
    init = partial(model.clone(scan_blocks=model.alike, layers=zeros).init, train=False)
    params = jax.eval_shape(init, jax.random.key(0), images)["params"]
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))


def test_the_peers_agree_where_both_have_a_network():
    shared = set(COUNTS["timm"]) & set(COUNTS["torchvision"])
    assert len(shared) == 10
    assert all(COUNTS["timm"][name] == COUNTS["torchvision"][name] for name in shared)


def test_every_network_has_a_count_of_a_peer_and_every_peer_a_row():
    for name in ROWS:
        assert name in EXPECTED, (
            f"write the number of parameters that the paper or a peer gives '{name}' into"
            " tests/golden/parameter_counts.json; see tests/golden/write_counts.py"
        )
    assert not set(EXPECTED) - set(ROWS), "these networks of the peers have no row"


@pytest.mark.parametrize(
    "name",
    [
        # Every fifth row, in the order of the table, where neighbours differ in depth or width.
        pytest.param(name, marks=[pytest.mark.slow] * (number % 5 > 0 or "pyramid" in name))
        for number, name in enumerate(ROWS)
    ],
)
def test_parameter_counts_equal_the_peers(name):
    assert parameters(create(name)) == EXPECTED[name]


@pytest.mark.peers
def test_the_installed_peers_still_have_these_counts(tmp_path):
    golden = pytest.importorskip("golden.write_counts", reason="see requirements-peers.txt")
    for name in golden.timm_names():
        assert golden.count(lambda n=name: golden.timm.create_model(n)) == EXPECTED[name], name
    for name, parameters in golden.torchvision_counts().items():
        assert parameters == EXPECTED[name], name


def test_names_are_chosen_by_a_pattern():
    assert names("resnext*_32x8d") == ["resnext101_32x8d"]
    assert len(names()) == len(ROWS)
    assert "cifar_resnet20_a" in names("cifar_*")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("resnet50e", r"unknown network 'resnet50e' \(did you mean 'resnet50.?'\?\); "),
        ("resnet50.a1_in1k", r"\(did you mean 'resnet50'\?\)"),
        ("efficientnet_b0", "there are no networks of inverted bottlenecks here; the nearest name"),
        ("hrnet_w18", "'hrnet_w18' can't be built, as there are no HRNets here; .*'resnet"),
        ("zzz", r"unknown network 'zzz'; 'python -m resnet_jax rows network' lists all \d+$"),
    ],
)
def test_a_name_without_a_row_is_answered_with_its_kind_and_the_nearest(name, answer):
    with pytest.raises(UserError, match=answer) as error:
        create(name)
    assert "\n" not in str(error.value)
    config = default.get_config()
    with pytest.raises(UserError, match=answer):
        configuration.override(config, f"name={name}")


def test_no_network_is_said_to_be_of_a_kind_that_cannot_be_built():
    kinds = [pattern for patterns in ABSENT for pattern in patterns]
    said = [name for name in ROWS for pattern in kinds if fnmatchcase(name, pattern)]
    assert not said


@pytest.mark.peers
def test_every_network_of_timm_with_residual_blocks_is_built_or_of_a_kind_that_is_not():
    golden = pytest.importorskip("golden.write_counts", reason="see requirements-peers.txt")
    files = (*golden.FILES, "nfnet", "cspnet", "convnext", "byobnet", "byoanet", "tresnet",
             "hrnet", "dla", "dpn", "densenet")  # fmt: skip
    for name in (name for file in files for name in golden.timm.list_models(module=file)):
        kind = any(fnmatchcase(name, pattern) for patterns in ABSENT for pattern in patterns)
        assert (name in ROWS) != kind, name


def test_overrides_take_the_place_of_the_rows_choices():
    model = create("resnet50d", classes=7, widths=(4, 8, 12, 16), attention="efficient")
    assert (model.classes, model.stage_widths) == (7, (4, 8, 12, 16))
    assert model.stem == create("resnet50d").stem
    assert create("resnet50", depth=101).stage_depths == (3, 4, 23, 3)
    assert create("test_resnet", branch="basic").stage_branches == ()
    with pytest.raises(UserError, match="takes no kernels"):
        create("resnet50", branch={"name": "bottleneck", "kernels": (3, 3)})


def same(value):
    """A network, or a record in it, as values that compare equal where they mean the same."""
    if isinstance(value, partial):
        return value.func, value.keywords
    if is_dataclass(value):
        names = {field.name for field in fields(value)} - {"parent", "name"}
        return {name: same(getattr(value, name)) for name in names}
    return value


@pytest.mark.parametrize("name", ROWS)
def test_a_configuration_takes_every_network_by_its_name(name):
    config: ConfigDict = default.get_config()
    config.model.shortcut = {"name": "A", "layout": "both_sides"}
    config.model.branch = {"name": "bottleneck", "groups": 3}
    configuration.override(config, f"name={name}")
    config.data.update({"source": "synthetic", "image_size": 8, "classes": 9, "examples": 8})
    model, expected = Assembly(config).model, create(name, classes=9)
    assert same(model) == same(expected)


def test_a_depth_behind_a_name_takes_the_place_of_its_own():
    config = configuration.override(default.get_config(), "name=resnet50,depth=101")
    config.data.update({"source": "synthetic", "image_size": 8, "classes": 9, "examples": 8})
    assert Assembly(config).model.stage_depths == create("resnet101").stage_depths
