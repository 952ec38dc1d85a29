"""Colour augmentation along principal components: Krizhevsky et al., NIPS 2012, section 4.1."""

import numpy as np
from PIL import Image

from resnet_jax.data.changes.lighting import DIRECTIONS, Lighting


def shifts(deviation, draws=400):
    """What is added to each channel of a grey image, in levels."""
    draw, grey = np.random.default_rng(0), Image.new("RGB", (2, 2), (128, 128, 128))
    lighting = Lighting(deviation)
    images = np.array([np.asarray(lighting(draw, grey)) for _ in range(draws)]).astype(int) - 128
    assert (images == images[:, :1, :1]).all()
    return images[:, 0, 0]


def test_shifts_have_the_covariance_of_the_principal_components():
    """fb.resnet.torch, transforms.lua: eigenvectors times N(0, 0.1) times eigenvalues."""
    spread = 255 * 1.0 * np.array([0.2175, 0.0188, 0.0045])
    expected = DIRECTIONS @ np.diag(spread**2) @ DIRECTIONS.T
    found = np.cov(shifts(1.0).T)
    np.testing.assert_allclose(found, expected, rtol=0.25)
    np.testing.assert_allclose(
        np.std(shifts(0.1), axis=0), np.sqrt(np.diag(expected)) / 10, rtol=0.2
    )


def test_directions_are_at_right_angles():
    np.testing.assert_allclose(DIRECTIONS.T @ DIRECTIONS, np.eye(3), atol=2e-3)
