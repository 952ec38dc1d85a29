"""State dicts into Flax variables: everything used, everything filled, or one clear sentence."""

import numpy as np
import pytest
from golden.tensors import draw

from resnet_jax.models import ROWS, create
from resnet_jax.models.building import resnet
from resnet_jax.tables import UserError
from resnet_jax.weights import to_tensors, to_variables
from resnet_jax.weights.codes import NAMINGS
from resnet_jax.weights.mapping import classes_of, tensor_shapes
from resnet_jax.weights.naming import naming_of
from resnet_jax.weights.outline import nearest_network, outline_of_model, outline_of_tensors


def tensors_of(model, naming="torchvision", filled=False):
    """A state dict of the model; zeros take no memory."""
    shapes = tensor_shapes(model, naming)
    if filled:
        return {name: draw(name, shape).astype(np.float32) for name, shape in shapes.items()}
    return {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}


# The naming of a network's own code, by the first letters of its name.
NAMED = {"resnetv": "resnetv2", "skresne": "sknet", "legacy_": "senet",
         "nf_resn": "nfnet", "nf_sere": "nfnet", "nf_ecar": "nfnet",
         "regnetx": "regnet", "regnety": "regnet",
         "regnet_": "torchvision_regnet"}  # fmt: skip


def published(name):
    """Its state dict, in the naming of the code that has it."""
    naming = "akamaster" if name.endswith("akamaster") else NAMED.get(name[:7], "torchvision")
    return tensors_of(create(name), naming)


@pytest.mark.parametrize("name", ["resnet18", "resnetv2_50x1_bit", "seresnext26d_32x4d"])
def test_an_export_has_the_names_that_the_family_has_in_timm(name):
    assert tensor_shapes(create(name)).keys() == published(name).keys()


@pytest.fixture(scope="module")
def resnet18():
    return create("resnet18"), published("resnet18")


KNOWN = {
    "resnet18": {
        "conv1.weight": (64, 3, 7, 7),
        "bn1.running_var": (64,),
        "layer1.0.bn2.bias": (64,),
        "layer2.0.downsample.0.weight": (128, 64, 1, 1),
        "layer2.0.downsample.1.running_mean": (128,),
        "layer4.1.conv2.weight": (512, 512, 3, 3),
        "fc.weight": (1000, 512),
    },
    "seresnext26d_32x4d": {
        "conv1.0.weight": (32, 3, 3, 3),
        "conv1.4.running_mean": (32,),
        "conv1.6.weight": (64, 32, 3, 3),
        "layer1.1.conv2.weight": (128, 4, 3, 3),
        "layer2.0.downsample.1.weight": (512, 256, 1, 1),
        "layer2.0.downsample.2.bias": (512,),
        "layer4.1.se.fc1.weight": (128, 2048, 1, 1),
    },
    "ecaresnet26t": {"conv1.0.weight": (24, 3, 3, 3), "layer4.0.se.conv.weight": (1, 1, 7)},
    "resnetv2_50x1_bit": {
        "stem.conv.weight": (64, 3, 7, 7),
        "stages.0.blocks.0.norm1.weight": (64,),
        "stages.3.blocks.0.downsample.conv.weight": (2048, 1024, 1, 1),
        "norm.bias": (2048,),
        "head.fc.weight": (1000, 2048, 1, 1),
    },
    "res2net50_26w_4s": {
        "layer1.0.conv1.weight": (104, 64, 1, 1),
        "layer2.1.convs.2.weight": (52, 52, 3, 3),
        "layer2.1.bns.2.running_var": (52,),
        "layer4.2.bn3.bias": (2048,),
    },
    "resnest50d": {
        "layer1.0.conv2.conv.weight": (128, 32, 3, 3),
        "layer1.0.conv2.bn0.weight": (128,),
        "layer1.0.conv2.fc1.bias": (32,),
        "layer1.0.conv2.bn1.running_mean": (32,),
        "layer1.0.conv2.fc2.weight": (128, 32, 1, 1),
    },
    "legacy_senet154": {
        "layer0.conv3.weight": (128, 64, 3, 3),
        "layer0.bn3.running_var": (128,),
        "layer2.0.downsample.0.weight": (512, 256, 3, 3),
        "layer2.0.se_module.fc1.weight": (32, 512, 1, 1),
        "last_linear.weight": (1000, 2048),
    },
    "nf_seresnet26": {
        "stem.conv.gain": (64, 1, 1, 1),
        "stages.0.0.conv2.weight": (64, 64, 3, 3),
        "stages.1.0.downsample.conv.bias": (512,),
        "stages.3.1.attn_last.fc1.weight": (128, 2048, 1, 1),
        "stages.3.1.conv3.gain": (2048, 1, 1, 1),
        "head.fc.weight": (1000, 2048),
    },
    "skresnet18": {
        "layer1.0.conv1.paths.1.conv.weight": (64, 32, 3, 3),
        "layer1.0.conv1.attn.fc_select.weight": (128, 16, 1, 1),
        "layer1.0.conv2.bn.weight": (64,),
        "layer2.0.downsample.1.bias": (128,),
    },
    "regnety_002": {
        "stem.conv.weight": (32, 3, 3, 3),
        "s1.b1.conv1.bn.running_var": (24,),
        "s2.b1.conv2.conv.weight": (56, 8, 3, 3),
        "s2.b1.se.fc1.weight": (6, 56, 1, 1),
        "s4.b1.downsample.bn.bias": (368,),
        "head.fc.weight": (1000, 368),
    },
    "regnet_y_400mf": {
        "stem.1.weight": (32,),
        "trunk_output.block1.block1-0.proj.0.weight": (48, 32, 1, 1),
        "trunk_output.block3.block3-5.f.b.0.weight": (208, 8, 3, 3),
        "trunk_output.block4.block4-5.f.se.fc1.bias": (110,),
        "trunk_output.block4.block4-0.f.c.1.running_mean": (440,),
        "fc.weight": (1000, 440),
    },
    "cifar_resnet20_akamaster": {"layer3.2.bn2.running_var": (64,), "linear.weight": (10, 64)},
}


@pytest.mark.parametrize("name", KNOWN)
def test_names_and_shapes_are_those_that_the_other_codes_have(name):
    shapes = {key: tensor.shape for key, tensor in published(name).items()}
    assert {key: shapes[key] for key in KNOWN[name]} == KNOWN[name]


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize(
    "options",
    [
        {"attention": "squeeze_excitation", "shortcut": "D", "stem": "deep"},
        {"arrangement": "full_preactivation", "activate_stem": True},
    ],
)
def test_a_round_trip_changes_no_bit(naming, options):
    model = resnet(family="cifar", classes=3, stage_depths=(1, 2), widths=(4, 8), **options)
    tensors = tensors_of(model, naming, filled=True)
    assert naming_of(tensors) == naming
    fitted = to_variables(model, tensors)
    exported = to_tensors(model, fitted.variables, naming)
    assert fitted.head_fits and exported.keys() == tensors.keys()
    for name, tensor in exported.items():
        np.testing.assert_array_equal(tensor, tensors[name], name)


def test_a_kernel_is_transposed_and_not_reshaped():
    model = resnet(family="cifar", classes=3, stage_depths=(1,), widths=(4,), stem_width=4)
    tensors = tensors_of(model, filled=True)
    params = to_variables(model, tensors).variables["params"]
    kernel, dense = tensors["layer1.0.conv1.weight"], tensors["fc.weight"]
    assert params["stage1"]["block1"]["conv1"]["kernel"][2, 0, 1, 3] == kernel[3, 1, 2, 0]
    assert params["head"]["kernel"][3, 1] == dense[1, 3]


def refused(model, tensors, message, **options):
    with pytest.raises(UserError, match=message) as error:
        to_variables(model, tensors, **options)
    assert "\n" not in str(error.value)


def test_a_missing_tensor_is_named(resnet18):
    model, tensors = resnet18
    tensors = {name: t for name, t in tensors.items() if name != "layer3.1.bn2.running_var"}
    refused(model, tensors, r"lacks 'layer3\.1\.bn2\.running_var'; .*'resnet18'")


def test_a_surplus_tensor_is_named(resnet18):
    model, tensors = resnet18
    surplus = {**tensors, "layer4.1.conv9.weight": np.zeros((1, 1, 1, 1), np.float32)}
    refused(model, surplus, r"'layer4\.1\.conv9\.weight' would be left over")


def test_a_wrong_shape_is_named(resnet18):
    model, tensors = resnet18
    wrong = {**tensors, "layer2.0.conv1.weight": np.zeros((128, 64, 1, 1), np.float32)}
    refused(
        model, wrong,
        r"'layer2\.0\.conv1\.weight' is \(128, 64, 1, 1\) where \(128, 64, 3, 3\) is needed",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("layer2.0.bn1.running_var", -1e-3, "' has negative values, and is a variance"),
        ("layer2.0.conv1.weight", 1e300, r"' has values of up to 1e\+300, which float32 does not"),
        ("fc.bias", -1e39, r"' has values of up to 1e\+39, which float32 does not hold"),
    ],
)
def test_a_value_that_its_place_does_not_take_is_named(resnet18, name, value, message):
    model, tensors = resnet18
    tensor = np.array(tensors[name], np.float64)
    tensor.flat[-1] = value
    refused(model, {**tensors, name: tensor}, name + message)


def test_everything_but_a_variance_may_be_negative(resnet18):
    model, tensors = resnet18
    to_variables(model, {k: t if k.endswith("var") else -np.abs(t) for k, t in tensors.items()})


def test_another_number_of_classes_is_an_error_unless_the_head_may_be_replaced(resnet18):
    _, tensors = resnet18
    model = create("resnet18", classes=7)
    refused(model, tensors, r"'fc\.(weight|bias)' is .* \(2 tensors have the wrong shape\)")
    fitted = to_variables(model, tensors, replace_head=True)
    assert not fitted.head_fits and "head" not in fitted.variables["params"]
    assert classes_of(tensors) == 1_000 and classes_of({}) is None
    wrong = {**tensors, "layer2.0.conv1.weight": np.zeros((128, 64, 1, 1), np.float32)}
    refused(model, wrong, "3 tensors have the wrong shape", replace_head=True)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("resnet18", "resnet34"),
        pytest.param("resnet50", "resnet101", marks=pytest.mark.slow),
        pytest.param("resnet50", "resnet18", marks=pytest.mark.slow),
        pytest.param("resnet50", "resnet50d", marks=pytest.mark.slow),
        pytest.param("resnet50", "seresnet50", marks=pytest.mark.slow),
        pytest.param("resnet50", "resnext50_32x4d", marks=pytest.mark.slow),
        pytest.param("resnet50", "wide_resnet50_2", marks=pytest.mark.slow),
        ("resnet50", "resnetv2_50"),
        pytest.param("resnet50", "ecaresnet50t", marks=pytest.mark.slow),
        ("cifar_resnet20_akamaster", "cifar_resnet32_akamaster"),
    ],
)
def test_a_file_of_another_network_is_refused_with_the_name_of_one_that_fits(asked, given):
    refused(create(asked), published(given), f"nearest network that would fit is '{given}'$")


def test_a_file_of_no_residual_network_is_said_to_be_none(resnet18):
    tensors = {"features.0.weight": np.zeros((64, 3, 3, 3), np.float32)}
    refused(resnet18[0], tensors, "its names are not those of a residual network")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (number > 2))
        for number, name in enumerate(
            ["resnetv2_50t", "cifar_resnet20_a", "resnetrs50", "senet154", "resnet26d",
             "legacy_seresnet50", "nf_seresnet26",
             "res2net50_14w_8s", "resnest26d", "skresnet34", "skresnext50_32x4d",
             "regnety_004", "regnet_x_800mf",
             "resnetv2_50x3_bit", "cifar_wrn_28_10", "resnet50_gn", "resnext101_64x4d"]
        )
    ],
)  # fmt: skip
def test_an_outline_is_the_same_of_a_network_and_of_its_tensors(name):
    tensors = published(name)
    outline = outline_of_tensors(tensors)
    assert outline == outline_of_model(create(name), naming_of(tensors))
    found = nearest_network(tensors).split("'")[1]
    assert outline_of_model(create(found), naming_of(tensors)) == outline
    assert found in ROWS


@pytest.mark.parametrize("naming", ["torchvision", "flax"])
def test_a_network_of_fast_parts_comes_back_from_a_file(naming):
    """A bias without a norm, norms without a scale, transitions, a head without a bias."""
    model = resnet(
        family="cifar", classes=7, stage_depths=(1, 1), widths=(4, 8), stem="whitening",
        stem_width=24, transition="convolution_and_pool", norm={"name": "batch", "scale": False},
        head={"name": "max", "bias": False},
    )  # fmt: skip
    tensors = tensors_of(model, naming, filled=True)
    tensors = {name: abs(tensor) for name, tensor in tensors.items()}
    assert classes_of(tensors) == 7
    returned = to_tensors(model, to_variables(model, tensors).variables, naming)
    assert returned.keys() == tensors.keys()
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(returned[name], tensor)
