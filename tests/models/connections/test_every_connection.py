"""What every connection must do in a network, and what some can't do."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from models.connections.alone import Alone
from models.connections.networks import CONNECTIONS, IMAGES, SCANNED, each, network, step

from resnet_jax.models.connections.record import Site
from resnet_jax.models.scan import initial, stack_blocks, unstack_blocks
from resnet_jax.models.shortcuts import SHORTCUTS
from resnet_jax.tables import UserError, options_of
from resnet_jax.training.decay import DECAY_RULES, decay_mask


@pytest.fixture
def images(rng):
    return rng.normal(size=IMAGES).astype(np.float32)


def shapes(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


@pytest.mark.parametrize("name", each())
def test_a_step_of_training_can_be_traced(name, images):
    """In the layout that parameters are drawn in, and with images whose size is odd."""
    model = network(name)
    odd = images[:, 1:, 1:]
    variables = jax.eval_shape(partial(initial, model), jax.random.key(0), odd)
    (loss, (logits, state)), gradients = jax.eval_shape(
        partial(step, model), variables, odd, variables["params"]
    )
    assert (loss.shape, logits.shape) == ((), (4, 2))
    assert shapes(gradients) == shapes(variables["params"])
    assert shapes(state["batch_stats"]) == shapes(variables["batch_stats"])


@pytest.mark.slow
@pytest.mark.parametrize("name", CONNECTIONS)
def test_every_parameter_has_a_gradient(name, images, drawn):
    model = network(name)
    variables = jax.tree_util.tree_map_with_path(
        # What no mean activates has no gradient.
        lambda path, leaf: leaf + 3 * (path[-2].key == "gate_reduce" and path[-1].key == "bias"),
        drawn(model, images, train=False),
    )
    _, gradients = jax.jit(partial(step, model))(variables, images, variables["params"])
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
        at = jax.tree_util.keystr(path)
        assert np.isfinite(gradient).all(), at
        assert np.abs(gradient).max() > 0, at


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hyper", "manifold_hyper"])
def test_streams_part_from_each_other_by_training(name, images):
    """They start as copies: read and written alike, they would stay copies."""
    model = network(name)
    variables = jax.jit(partial(model.init, train=False))(jax.random.key(0), images)
    update = jax.jit(partial(step, model))
    for _ in range(3):
        _, gradients = update(variables, images, variables["params"])
        params = jax.tree.map(lambda p, g: p - 0.1 * g, variables["params"], gradients)
        variables = {**variables, "params": params}
    _, seen = model.apply(variables, images, train=False, capture_intermediates=True)
    (streams,) = seen["intermediates"]["stage1"]["__call__"]
    spread = streams.std(axis=3).mean() / jnp.abs(streams).mean()
    assert streams.ndim == 5 and spread > 1e-3


def same(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-8, atol=1e-8), found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SCANNED if not SHORTCUTS[name].random])
def test_scanned_blocks_compute_the_same(name, images, drawn, float64):
    model = network(name, dtype="float64")
    variables = drawn(model, images, train=False)
    expected = jax.jit(partial(step, model))(variables, images, variables["params"])
    scanned = stack_blocks(variables)
    found = jax.jit(partial(step, model.clone(scan_blocks=True)))(
        scanned, images, scanned["params"]
    )
    same(unstack_blocks(found), expected)


@pytest.mark.parametrize("name", each(SCANNED))
def test_the_layouts_are_those_of_the_networks(name, images):
    model, key = network(name), jax.random.key(0)
    own = jax.eval_shape(partial(model.init, train=False), key, images)
    scanned = jax.eval_shape(partial(model.clone(scan_blocks=True).init, train=False), key, images)
    assert shapes(jax.eval_shape(unstack_blocks, scanned)) == shapes(own)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CONNECTIONS if not SHORTCUTS[name].inverse])
@pytest.mark.parametrize("remat", ["block", "stage"])
def test_what_is_computed_again_is_the_same(name, remat, images, drawn, float64):
    model = network(name, dtype="float64")
    variables = drawn(model, images, train=False)
    expected = jax.jit(partial(step, model))(variables, images, variables["params"])
    again = jax.jit(partial(step, model.clone(remat=remat)))(variables, images, variables["params"])
    same(again, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONNECTIONS)
def test_frozen_parts_pass_no_gradient(name, images, drawn):
    model = network(name, frozen_parts=2)
    variables = drawn(model, images, train=False)
    (_, (_, state)), gradients = jax.jit(partial(step, model))(
        variables, images, variables["params"]
    )
    for part in ("stem_conv", "stage1"):
        assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(gradients[part])) == 0
    same(state["batch_stats"]["stage1"], variables["batch_stats"]["stage1"])
    assert min(np.abs(leaf).max() for leaf in jax.tree.leaves(gradients["stage2"])) > 0


@pytest.mark.parametrize("ends", ["A", "B", "D", "pooled", "shifted"])
@pytest.mark.parametrize("name", [n for n in CONNECTIONS if "ends" in options_of(SHORTCUTS[n])])
def test_the_ends_of_stages_are_chosen(name, ends):
    row = SHORTCUTS.choose({"name": name, "ends": ends})
    state = row.started(jnp.zeros((2, 4, 4, 4)), None)

    def made(features, stride):
        def branch(x, copy, stride):
            return jnp.zeros((2, x.shape[1] // stride, x.shape[2] // stride, features))

        init = partial(Alone(row, Site(features, stride, 1, 2)).init, branch=branch)
        return jax.eval_shape(init, jax.random.key(0), state).get("params", {})

    opening, following = made(6, 2), made(2 if name == "reversible" else 4, 1)
    assert ("projection" in opening) == (ends in ("B", "D", "shifted"))
    assert ("projection2" in opening) == (ends == "shifted")
    assert "projection" not in following


def plain_with_twin(name, images, drawn, changed, **changes):
    """Logits of a residual network and of its twin with neutral parameters."""
    options = changes.pop("options", {})
    train = changes.pop("train", False)
    ends = changes.pop("ends", "B")
    both = {"stage_depths": (2, 1), "widths": (3, 5), "stem_width": 3, **changes}
    plain = network(ends, **both)
    twin = network({"name": name, "ends": ends, **options}, **both)
    variables = drawn(plain, images, train=False)
    start = jax.jit(lambda: twin.init(jax.random.key(0), images, train=False))()
    start = jax.tree.map(np.asarray, start)

    def filled(own, given):
        if not isinstance(own, dict):
            return own if given is None else given
        return {key: filled(node, (given or {}).get(key)) for key, node in own.items()}

    neutral = filled(start, variables)
    changed(neutral)
    apply = {"train": train, "mutable": ["batch_stats"]}
    expected, found = (
        model.apply(given, images, **apply)[0]
        for model, given in ((plain, variables), (twin, neutral))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def nothing(variables):
    """Initial parameters are neutral."""


def blocks_of(variables, kind="params"):
    tree = variables[kind]
    return [tree["stage1"]["block1"], tree["stage1"]["block2"], tree["stage2"]["block1"]]


def halved_head(variables):
    """The head reads the sum of two streams that are equal."""
    head = variables["params"]["head"]
    head["kernel"] = head["kernel"] / 2


def manifold(variables):
    halved_head(variables)
    for block in blocks_of(variables):
        block["static"]["numbers"] = np.array([0, 0, 0, 0, 0, -90, -90, 0], np.float32)


def whole_weights(variables):
    for block in blocks_of(variables):
        block["weight"]["numbers"] = np.float32(1)


def sums(variables):
    for block in blocks_of(variables):
        features = block["fusion"]["kernel"].shape[-1]
        identity = np.eye(features, dtype=np.float32)
        block["fusion"]["kernel"] = np.concatenate([identity, identity])[None, None]


def equal_branches(variables):
    for block in blocks_of(variables) + blocks_of(variables, "batch_stats"):
        block["branch2"] = {key: block[key] for key in block["branch2"]}


def no_transient_stream(variables):
    for block in blocks_of(variables):
        for copy in ("branch2", "branch3", "branch4"):
            block[copy]["norm2"] = {"scale": 0 * block["norm2"]["scale"],
                                    "bias": 0 * block["norm2"]["bias"]}  # fmt: skip
    head = variables["params"]["head"]
    kernel = head["kernel"]
    head["kernel"] = np.concatenate([kernel[:5], 0 * kernel[:5]])


NEUTRAL = {
    "decayed_identity": (nothing, {"options": {"last_share": 1.0}}),
    # A norm behind the first convolution takes no notice of a smaller x.
    "normaliser_free": (nothing, {"train": True, "options": {"branch_scale": 1.0},
                                  "arrangement": "pyramid",
                                  "norm": {"name": "batch", "epsilon": 1e-12}}),
    "scalar_gate": (nothing, {"options": {"gate_bias": 90.0}}),
    "channel_gate": (nothing, {"options": {"gate_bias": 90.0}}),
    "squeezed_gate": (nothing, {"options": {"gate_bias": 90.0}}),
    "layer_scale": (nothing, {"options": {"initial_gain": 1.0}}),
    "deep_norm": (nothing, {"options": {"shortcut_scale": 1.0}}),
    "weighted": (whole_weights, {}),
    "hyper": (halved_head, {"options": {"streams": 2}}),
    "manifold_hyper": (manifold, {"options": {"streams": 2}}),
    # A mean and a sum are the same to a norm whose epsilon is small.
    "attention": (nothing, {"train": True, "ends": "A", "arrangement": "pyramid",
                            "norm": {"name": "batch", "epsilon": 1e-12}}),
    "dense_sum": (nothing, {"arrangement": "pyramid"}),
    "fused": (sums, {}),
    "shake_shake": (equal_branches, {}),
    "shake_drop": (nothing, {"options": {"last_survival": 1.0}}),
    "resnet_in_resnet": (no_transient_stream, {}),
}  # fmt: skip
# No parameters make them add F(x) to x.
NOT_RESIDUAL = {"orthogonal", "highway", "deep_delta", "concatenation", "reversible"}


@pytest.mark.parametrize("name", CONNECTIONS)
def test_rules_of_weight_decay_know_every_parameter(name):
    """Kernels decay, and the numbers that a connection learns do not."""
    init = partial(network(name).init, train=False)
    params = jax.eval_shape(init, jax.random.key(0), jnp.zeros(IMAGES))["params"]
    for path, decays in jax.tree_util.tree_leaves_with_path(
        decay_mask(DECAY_RULES["kernels"], params)
    ):
        assert decays == (path[-1].key == "kernel")


def test_every_connection_is_asked_for_its_neutral_parameters():
    assert set(CONNECTIONS) == set(NEUTRAL) | NOT_RESIDUAL


@pytest.mark.parametrize("name", each(NEUTRAL))
def test_neutral_parameters_make_a_residual_network(name, images, drawn):
    changed, changes = NEUTRAL[name]
    plain_with_twin(name, images, drawn, changed, **changes)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("attention", {"scan_blocks": True}, r"grows from block to block.*scan_blocks=False"),
        ("concatenation", {"arrangement": "original"}, r"arrangement=full_preactivation"),
        ("reversible", {"arrangement": "original"}, r"arrangement=full_preactivation"),
        ("reversible", {"remat": "block"}, r"computes again.*set model\.remat=none"),
        ("hyper", {"branch": "deep"}, r"blocks inside of its blocks: choose another branch"),
        ("deep_norm", {"norm": "fixup", "arrangement": "original"}, r"set norm\.name=none"),
    ],
)
def test_what_a_connection_can_not_do_is_refused(name, changes, message):
    with pytest.raises(UserError, match=message):
        network(name, **changes)


def test_an_odd_stem_has_no_two_halves(images):
    model = network("reversible", stem_width=5)
    with pytest.raises(UserError, match=r"5 channels have no two halves.*even model\.stem_width"):
        jax.eval_shape(partial(initial, model), jax.random.key(0), images)


@pytest.mark.parametrize("name", ["orthogonal", "hyper", "attention"])
def test_branches_that_drop_the_edge_are_refused(name, images):
    model = network(name, antialias="average")
    with pytest.raises(UserError, match=r"3x3 and its branch 2x2.*halves evenly in every stage"):
        jax.eval_shape(partial(initial, model), jax.random.key(0), jnp.zeros((1, 5, 5, 3)))
