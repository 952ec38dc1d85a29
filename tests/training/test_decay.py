"""Which parameters of a network decay."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest

from resnet_jax.models.building import resnet
from resnet_jax.tables import UserError
from resnet_jax.training.decay import DECAY_RULES, decay_mask
from resnet_jax.training.optim import optimizer, sgd


@pytest.fixture(scope="module", params=["batch", "group", "none"])
def params(request):
    """Shapes of the parameters of a network with this norm."""
    network = resnet(
        family="cifar",
        classes=3,
        stage_depths=(1, 1, 1),
        widths=(4, 8, 8),
        stem_width=4,
        norm=request.param,
    )
    init = partial(network.init, train=False)
    return jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))["params"]


def decaying(rule):
    """The last two words of the paths that decay in a network with projections."""
    network = resnet(family="cifar", classes=3, depth=8, shortcut="B")
    init = partial(network.init, train=False)
    params = jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))["params"]
    paths = jax.tree_util.tree_leaves_with_path(decay_mask(DECAY_RULES[rule], params))
    names = [jax.tree_util.keystr(path, simple=True, separator="/") for path, on in paths if on]
    return {"/".join(name.split("/")[-2:]) for name in names}


class TestDecayRules:
    @pytest.mark.parametrize("rule", DECAY_RULES)
    def test_every_parameter_of_a_network_is_covered(self, params, rule):
        mask = decay_mask(DECAY_RULES[rule], params)
        assert jax.tree.structure(mask) == jax.tree.structure(params)
        assert any(jax.tree.leaves(mask))

    def test_kernels_leaves_out_vectors(self, params):
        """Norm scales and shifts and biases are the vectors of a residual network."""
        mask = decay_mask(DECAY_RULES["kernels"], params)
        assert mask == jax.tree.map(lambda leaf: leaf.ndim > 1, params)

    def test_all_leaves_nothing_out(self, params):
        assert all(jax.tree.leaves(decay_mask(DECAY_RULES["all"], params)))

    def test_torchvision_decays_the_heads_bias_and_no_norm(self):
        """references/classification, `--norm-weight-decay 0` without `--bias-weight-decay`."""
        decayed = decaying("but_norms")
        assert decayed == {"conv1/kernel", "conv2/kernel", "projection/kernel", "stem_conv/kernel",
                           "head/kernel", "head/bias"}  # fmt: skip

    def test_ffcv_decays_the_norms_of_projections_too(self):
        """train_imagenet.py exempts names with 'bn', which `downsample.1` does not hold."""
        norms = {"projection_norm/scale", "projection_norm/bias"}
        assert decaying("ffcv") == decaying("but_norms") | norms

    def test_parameter_that_no_pattern_matches(self):
        params = {"head": {"kernel": 1.0, "temperature": 2.0}}
        with pytest.raises(UserError, match="nothing about parameter 'head/temperature'"):
            decay_mask(DECAY_RULES["kernels"], params)

    def test_pattern_matches_whole_words(self):
        with pytest.raises(UserError, match="'superkernel'"):
            decay_mask(DECAY_RULES["kernels"], {"superkernel": 1.0})

    def test_unknown_rule(self):
        with pytest.raises(UserError, match=r"'kernel' \(did you mean 'kernels'\?\); valid: all"):
            optimizer(sgd, decay_rule="kernel")
