"""Published networks by their names."""

import json
import math
from dataclasses import fields, is_dataclass, replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from ml_collections import ConfigDict

from configs import default
from resnet_jax.assembly import Assembly, configuration
from resnet_jax.models import ROWS, create, names
from resnet_jax.tables import UserError

COUNTS = json.loads((Path(__file__).parents[1] / "golden" / "parameter_counts.json").read_text())
VERSIONS = COUNTS.pop("versions")
EXPECTED = {**COUNTS["papers"], **COUNTS["timm"], **COUNTS["torchvision"]}


def parameters(model) -> int:
    """Counted on a scan, which is traced in a time that does not grow with depth.

    Nothing is drawn, which saves a fifth of the trace.
    """
    images = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    zeros = replace(model.layers, kernel_init=jax.nn.initializers.zeros)
    init = partial(model.clone(scan_blocks=True, layers=zeros).init, train=False)
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
        pytest.param(name, marks=[pytest.mark.slow] * (number % 5 > 0))
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


def test_a_wrong_name_is_answered_with_the_nearest():
    with pytest.raises(UserError, match=r"unknown network 'resnet50e' \(did you mean 'resnet50"):
        create("resnet50e")


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
