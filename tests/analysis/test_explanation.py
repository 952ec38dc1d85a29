"""Where a network looked, for one whose activations and gradients are known."""

import jax.numpy as jnp
import numpy as np
from analysis import tiny

from resnet_jax.analysis.explanation import grad_cam


def test_grad_cam_is_of_the_last_block_and_of_each_images_own_class():
    linear = tiny.Linear(1)
    images, classes = linear.splits["test"].images[:6], np.array([0, 1, 2, 2, 1, 0])
    found = grad_cam(linear.model, linear.variables, jnp.asarray(images), jnp.asarray(classes))
    # Every position's activations reach a logit through the mean and the head.
    maps = np.einsum("nhwc,cn->nhw", linear.signals(images)[-1], linear.head[:, classes])
    maps = np.maximum(maps, 0)
    largest = maps.max(axis=(1, 2), keepdims=True)
    assert (largest > 0).any() and found.shape == (6, 4, 4)
    np.testing.assert_allclose(found, maps / np.maximum(largest, 1e-30), atol=1e-4)
