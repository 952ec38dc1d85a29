"""The kernel of a whitening stem: what it does to the images that it is made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from resnet_jax.models.building import resnet
from resnet_jax.models.convolution import DIMENSIONS
from resnet_jax.models.whitening import whitening_kernel
from resnet_jax.tables import UserError


def images(rng):
    """Neighbouring pixels and channels are alike, as in photographs."""
    noise = rng.normal(size=(40, 9, 9, 3))
    return noise[:, 1:, 1:] + noise[:, :-1, :-1] + noise[..., :1].mean(axis=(1, 2), keepdims=True)


def responses(x, kernel):
    found = lax.conv_general_dilated(jnp.asarray(x), jnp.asarray(kernel), (1, 1), "VALID",
                                     dimension_numbers=DIMENSIONS)  # fmt: skip
    return np.asarray(found).reshape(-1, kernel.shape[-1])


def test_the_outputs_are_white_and_stand_beside_their_negatives(float64, rng):
    x = images(rng)
    kernel = whitening_kernel(x, 24, epsilon=0.0)
    assert kernel.shape == (2, 2, 3, 24)
    found = responses(x, kernel)
    np.testing.assert_allclose(found[:, 12:], -found[:, :12], atol=1e-9)
    np.testing.assert_allclose(found[:, :12].T @ found[:, :12] / len(found), np.eye(12), atol=1e-9)


def test_epsilon_damps_the_directions_that_hardly_vary(float64, rng):
    """A filter v / sqrt(l + e) gives outputs of the mean square l / (l + e), the largest first."""
    x = images(rng)
    plain, damped = (responses(x, whitening_kernel(x, 24, epsilon=e)) for e in (0.0, 0.5))
    filters = whitening_kernel(x, 24, epsilon=0.0)[..., :12].reshape(12, 12)
    values = 1 / (filters**2).sum(axis=0)
    assert (np.diff(values) <= 0).all()
    ratio = (damped**2).mean(axis=0)[:12] / (plain**2).mean(axis=0)[:12]
    np.testing.assert_allclose(ratio, values / (values + 0.5), rtol=1e-6)


def test_another_width_is_refused(rng):
    with pytest.raises(UserError, match=r"12 values of a 2x2 patch.*16 in all.*stem_width=24"):
        whitening_kernel(images(rng), 16)


def network(**changes):
    return resnet(**{"family": "cifar", "classes": 3, "stage_depths": (1,), "widths": (4,),
                     "stem": "whitening", "stem_width": 24, **changes})  # fmt: skip


def test_the_kernel_gets_no_gradient_and_the_bias_does(drawn, rng):
    model, x = network(), rng.normal(size=(2, 6, 6, 3)).astype(np.float32)
    variables = drawn(model, x, train=False)
    assert variables["params"]["stem_conv"]["kernel"].shape == (2, 2, 3, 24)
    assert "stem_norm" not in variables["params"]

    def loss(params):
        return (model.apply({**variables, "params": params}, x, train=False) ** 2).sum()

    gradient = jax.jit(jax.grad(loss))(variables["params"])["stem_conv"]
    assert not gradient["kernel"].any() and gradient["bias"].any()
    assert model.fixes(("stem_conv", "kernel")) and not model.fixes(("stem_conv", "bias"))
    assert not network(stem="cifar").fixes(("stem_conv", "kernel"))


def test_standardised_kernels_are_refused():
    with pytest.raises(UserError, match=r"leave model\.weight_epsilon unset"):
        network(weight_epsilon=1e-5)
