"""What steps hold when they are lowered for CUDA; nothing is compiled."""

import re

import jax
import jax.numpy as jnp
import pytest
from models.connections.networks import BESIDE, CONNECTIONS, FEW
from traces import tiny

from resnet_jax.assembly import Assembly
from resnet_jax.models.norms import NORMS
from resnet_jax.models.pooling import ANTIALIASING, STEM_POOLS
from resnet_jax.models.shortcuts import SHORTCUTS
from resnet_jax.training.details import DetailedSums
from resnet_jax.training.dispatch import Dispatch

# Of each kind every row; rows that do not fit each other do not stand together.
NETWORKS: list[dict[str, object]] = [
    {"shortcut": "A", "norm": "batch", "stem_pool": "max"},
    {"shortcut": "B", "norm": "group", "stem_pool": "max_with_zeros", "antialias": "blur"},
    {"shortcut": "C", "norm": "none", "stem_pool": "max_blur", "antialias": "blur_before"},
    {"shortcut": "D", "norm": "fixup", "stem_pool": "average"},
    {"shortcut": "none", "norm": "evo", "arrangement": "full_preactivation"},
    {"shortcut": "constant_scaling", "norm": "filter_response", "antialias": "average",
     "arrangement": "full_preactivation"},
    {"shortcut": "exclusive_gating", "stem_pool": "convolution", "weight_epsilon": 1e-8},
    {"shortcut": "shortcut_only_gating", "attention": "squeeze_excitation"},
    {"shortcut": "convolution_1x1", "attention": "efficient", "survival": 0.5, "norm": "affine"},
    {"shortcut": "dropout", "branch": {"name": "bottleneck", "groups": 2}, "dropout": 0.1,
     "stem_pool": "max_from_corner"},
    {"branch": "convnext", "arrangement": "convnext", "norm": "layer", "conv_bias": True,
     "transition": "norm_and_convolution", "head": "normalised_mean", "attention": "response"},
    {"shortcut": "identity_or_none", "branch": "attended_bottleneck", "arrangement": "linear",
     "attention": "global_context"},
]  # fmt: skip
CONNECTED: list[dict[str, object]] = [
    {
        "shortcut": name,
        "stage_depths": (2, 1),
        "arrangement": "original" if SHORTCUTS[name].after else "full_preactivation",
        **BESIDE.get(name, {}),
    }
    for name in CONNECTIONS
]


def assembly(choices, **keys):
    model = {f"model.{name}": value for name, value in choices.items() if name != "norm"}
    norm = {"norm.name": choices.get("norm", "batch")}
    if norm["norm.name"] in ("group", "evo"):
        norm["norm.channel_groups"] = 2
    config = tiny(**model, **norm, **keys, **{"model.dtype": "bfloat16"})
    return Assembly(config, platform="cuda")


def lowered(traced):
    """The program as text; every sum in it has one order."""
    program = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert "stablehlo.sort" not in program and "select_and_scatter" not in program
    for scatter in re.findall(r'"stablehlo.scatter".*', program):
        assert "unique_indices = true" in scatter
    return program


def assert_runs_well(traced):
    program = lowered(traced)
    types = re.findall(r"stablehlo\.convolution.* : (\(tensor.*)", program)
    assert types and not any("f32" in each for each in types)


@pytest.mark.parametrize("choices", NETWORKS, ids=str)
def test_training(choices):
    assert_runs_well(step_of(assembly(choices)))


@pytest.mark.parametrize(
    "choices",
    [
        pytest.param(
            each, id=each["shortcut"], marks=[pytest.mark.slow] * (each["shortcut"] not in FEW)
        )
        for each in CONNECTED
    ],
)
def test_training_with_every_connection(choices):
    assert_runs_well(step_of(assembly(choices)))


def step_of(made):
    return Dispatch([made.run()]).traced(made.abstract_state, 0, 1)


@pytest.mark.parametrize(
    "optimizer",
    ["nesterov", *(pytest.param(name, marks=pytest.mark.slow) for name in ("lamb", "muon"))],
)
def test_what_surrounds_the_network(optimizer):
    changes = {"optim.name": optimizer, "optim.clip_norm": 1.0, "train.ema_decay": 0.9,
               "train.accumulate": 2, "mixing.mixup": 0.2, "mixing.cutmix": 1.0,
               "data.pad": 1, "data.flip": True, "data.cutout": 3, "data.erase": 0.5}  # fmt: skip
    assert_runs_well(step_of(assembly({}, **changes)))


def test_evaluation_and_recalibration():
    made = assembly({"stem_pool": "max", "shortcut": "A"}, **{"eval.recalibration_steps": 2})
    variables = made.abstract_state.eval_variables
    for part in (made.evaluation.evaluator, made.evaluation.recalibration):
        assert_runs_well(part.traced(variables))


def test_details_of_an_evaluation():
    def details(logits, labels, mask):
        return DetailedSums()(logits, labels, mask)

    examples = jnp.zeros((4, 3)), jnp.zeros(4, jnp.int32), jnp.ones(4, bool)
    assert "stablehlo" in lowered(jax.jit(details).trace(*examples))


def test_networks_have_every_row():
    for kind, table in (("shortcut", SHORTCUTS), ("norm", NORMS), ("stem_pool", STEM_POOLS),
                        ("antialias", ANTIALIASING)):  # fmt: skip
        networks = [*NETWORKS, *CONNECTED]
        missing = set(table) - {network.get(kind) for network in networks} - {"none"}
        assert not missing, f"add to NETWORKS a {kind} of {missing}"
