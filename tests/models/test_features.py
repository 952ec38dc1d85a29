"""The stages' outputs by name, and batch norms that stay as they are."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import smoke
from resnet_jax.assembly import Assembly
from resnet_jax.models import create
from resnet_jax.models.building import resnet
from resnet_jax.models.parts import is_norm
from resnet_jax.tables import UserError


def tiny(**choices):
    sizes = {"stage_depths": (1, 2), "widths": (4, 8), "stem_width": 4}
    return resnet(family="imagenet", classes=3, **{**sizes, **choices})


@pytest.mark.parametrize(
    ("name", "reductions", "channels"),
    [
        # Of timm's features_only=True.
        ("resnet18", (2, 4, 8, 16, 32), (64, 64, 128, 256, 512)),
        ("resnet50", (2, 4, 8, 16, 32), (64, 256, 512, 1024, 2048)),
        ("resnetv2_50", (2, 4, 8, 16, 32), (64, 256, 512, 1024, 2048)),
        ("regnety_002", (2, 4, 8, 16, 32), (32, 24, 56, 152, 368)),
        ("cifar_resnet20_a", (1, 1, 2, 4), (16, 16, 32, 64)),
    ],
)
def test_sizes_and_channels_of_every_stage(name, reductions, channels):
    model, images = create(name), jnp.zeros((2, 64, 96, 3))
    found = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), images, train=False, features=True)
    )
    shapes = {key: leaf.shape for key, leaf in found[0].items()}
    names = ["stem", *(f"stage{number}" for number in range(1, len(reductions)))]
    assert shapes == {
        key: (2, 64 // reduction, 96 // reduction, width)
        for key, reduction, width in zip(names, reductions, channels, strict=True)
    }
    assert "head" not in found[1]["params"]


@pytest.mark.parametrize("arrangement", ["original", "full_preactivation"])
@pytest.mark.parametrize("scan", [False, True])
def test_the_head_makes_the_logits_of_the_last_stage(drawn, rng, arrangement, scan):
    model = tiny(arrangement=arrangement, scan_blocks=scan)
    x = rng.normal(size=(2, 32, 32, 3)).astype(np.float32)
    variables = drawn(model, x, train=False)
    found = model.apply(variables, x, train=False, features=True)
    head = variables["params"]["head"]
    logits = found["stage2"].mean((1, 2)) @ head["kernel"] + head["bias"][None]
    np.testing.assert_allclose(logits, model.apply(variables, x, train=False), rtol=1e-5, atol=1e-5)
    _, state = model.apply(variables, x, train=False, capture_intermediates=True)
    (first,) = state["intermediates"]["stage1"]["__call__"]
    np.testing.assert_array_equal(found["stage1"], first)
    # The pool of the stem halves once more.
    assert (found["stem"].shape[1], first.shape[1]) == (16, 8)


def test_a_state_that_is_no_image_has_no_features():
    model = tiny(shortcut="hyper", arrangement="full_preactivation")
    with pytest.raises(UserError, match=r"features=True returns images.*another state"):
        jax.eval_shape(
            lambda: model.init(
                jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False, features=True
            )
        )


def test_frozen_norms_stay_as_they_are_in_a_step_of_ones_own(drawn, rng):
    model = tiny(norm={"name": "batch", "frozen": True})
    x = rng.normal(size=(4, 32, 32, 3)).astype(np.float32)
    variables = drawn(model, x, train=False)

    def loss(params):
        logits, changed = model.apply(
            {**variables, "params": params}, x, train=True, mutable=["batch_stats"]
        )
        return (logits**2).sum(), (logits, changed)

    gradient, (logits, changed) = jax.grad(loss, has_aux=True)(variables["params"])
    np.testing.assert_allclose(logits, model.apply(variables, x, train=False), rtol=1e-6)
    jax.tree.map(
        np.testing.assert_array_equal, changed.get("batch_stats", {}), variables["batch_stats"]
    )
    moved = {
        jax.tree_util.keystr(path): is_norm([key.key for key in path])
        for path, leaf in jax.tree_util.tree_leaves_with_path(gradient)
        if jnp.any(leaf != 0)
    }
    assert "['stem_conv']['kernel']" in moved and not any(moved.values())


def test_no_optimizer_of_a_run_moves_frozen_norms():
    """Weight decay would, where a gradient of zero does not."""
    config = smoke.get_config(
        "stage_depths=(1,1),widths=(4,8),width_factor=1.0,stem_width=4,data.image_size=8,"
        "norm.frozen=True,optim.weight_decay=0.1"
    )
    assembly = Assembly(config)
    params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), assembly.abstract_state.params)
    optimizer = assembly.optimizer(optax.constant_schedule(0.1), 0.1)
    zeros = jax.tree.map(jnp.zeros_like, params)
    updates, _ = optimizer.update(zeros, optimizer.init(params), params)
    for path, leaf in jax.tree_util.tree_leaves_with_path(updates):
        assert bool(jnp.all(leaf == 0)) == is_norm([key.key for key in path]), path


def test_frozen_norms_can_not_be_recalibrated():
    with pytest.raises(UserError, match=r"norm.frozen keeps the statistics"):
        Assembly(smoke.get_config("norm.frozen=True,eval.recalibration_steps=2"))
