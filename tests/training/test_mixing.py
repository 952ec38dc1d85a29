"""Mixup and CutMix against arithmetic, and against what torchvision and timm compute."""

from pathlib import Path

import jax
import jax.numpy as jnp
import linear
import numpy as np
import pytest
from golden.tensors import CLASSES, draw

from resnet_jax.training.losses import smoothed
from resnet_jax.training.mixing import Mixing, mixed, outside_boxes, shares

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "mixing.npz")
AGAIN = "tests/golden/write_mixing.py writes the numbers of torchvision and timm again"
HEIGHT, WIDTH = 9, 7
SIZE = (HEIGHT, WIDTH)
LABELS = np.array([3, 1, 4, 0], np.int32)


def golden(group):
    """One function's part of the fixture."""
    return {key.partition(".")[2]: GOLDEN[key] for key in GOLDEN if key.startswith(f"{group}.")}


def batch(count=4):
    images = np.float32(draw("images", (count, 3, *SIZE))).transpose(0, 2, 3, 1)
    return linear.Batch(images, LABELS[:count], np.ones(count, bool))


def constant(*values):
    """Weights that are one number for all pixels."""
    return jnp.broadcast_to(jnp.array(values).reshape(-1, 1, 1, 1), (len(values), *SIZE, 1))


def draws_of(mixing, count=4_000, size=SIZE):
    return np.array(mixing.weights(jax.random.key(0), count, *size))


class TestAgainstPeers:
    def check(self, found, expected, label_smoothing=0.0):
        nhwc = expected["images"].transpose(0, 2, 3, 1)
        targets = smoothed(shares(found, CLASSES), label_smoothing)
        np.testing.assert_allclose(found.images, nhwc, atol=1e-5, err_msg=AGAIN)
        np.testing.assert_allclose(targets, expected["targets"], atol=1e-6, err_msg=AGAIN)

    def test_mixup_is_torchvisions(self):
        expected = golden("torchvision_mixup")
        self.check(mixed(batch(), constant(float(expected["share"]))), expected)

    def test_cutmix_is_torchvisions(self):
        expected = golden("torchvision_cutmix")
        centres = expected["centres"].astype(np.int32)
        weights = outside_boxes(expected["shares"], centres, *SIZE)
        left = weights.mean((1, 2, 3))
        expected_left = expected["left"]
        np.testing.assert_allclose(
            np.maximum(left, 1 - left), expected_left, atol=1e-6, err_msg=AGAIN
        )
        assert len(left) > 5
        self.check(mixed(batch(), weights[-1:]), expected)

    def test_boxes_are_timms(self):
        expected = golden("timm_boxes")
        centres = expected["centres"].astype(np.int32)
        weights = np.array(outside_boxes(expected["shares"], centres, *SIZE))
        boxes = np.ones_like(weights)
        for box, (top, bottom, left, right) in zip(
            boxes, expected["boxes"].astype(int), strict=True
        ):
            box[top:bottom, left:right] = 0
        np.testing.assert_array_equal(weights, boxes, err_msg=AGAIN)
        np.testing.assert_allclose(weights.mean((1, 2, 3)), expected["left"], atol=1e-6)

    def test_shares_of_each_example_and_smoothing_are_timms(self):
        expected = golden("timm_pair")
        self.check(mixed(batch(2), constant(*expected["shares"])), expected, label_smoothing=0.1)


class TestBoxes:
    def test_a_box_inside_has_the_side_of_the_papers_equation(self):
        """Equation 2: sqrt(1 - share) of height and width, here sqrt(1/4)."""
        weights = outside_boxes(jnp.array([0.75]), jnp.array([[20, 10]], jnp.int32), 40, 20)[0]
        rows, columns = np.nonzero(np.array(weights)[..., 0] == 0)
        assert (rows.min(), rows.max()) == (10, 29) and (columns.min(), columns.max()) == (5, 14)

    def test_the_edge_cuts_a_box_and_the_share_follows(self):
        weights = outside_boxes(jnp.array([0.75]), jnp.array([[0, 0]], jnp.int32), 40, 20)
        found = mixed(batch()._replace(images=np.zeros((4, 40, 20, 3), np.float32)), weights)
        np.testing.assert_allclose(weights.mean(), 1 - 10 * 5 / 800, rtol=1e-6)
        np.testing.assert_allclose(found.share, 1 - 10 * 5 / 800, rtol=1e-6)

    @pytest.mark.parametrize(("share", "left"), [(1.0, 1.0), (0.0, 0.0)])
    def test_extreme_shares(self, share, left):
        """All of the image, or nothing of it (here the centre is in the middle)."""
        weights = outside_boxes(jnp.array([share]), jnp.array([[4, 3]], jnp.int32), *SIZE)
        assert float(weights.mean()) == left


class TestMixedBatch:
    def test_the_class_of_the_larger_share_comes_first(self):
        found = mixed(batch(), constant(0.9, 0.2, 0.5, 1.0))
        np.testing.assert_array_equal(found.labels, [3, 3, 4, 0])
        np.testing.assert_array_equal(found.others, [0, 1, 1, 4])
        np.testing.assert_allclose(found.share, [0.9, 0.8, 0.5, 1.0], rtol=1e-6)

    def test_targets_add_up_to_one_also_where_both_are_of_one_class(self):
        twins = batch()._replace(labels=np.array([2, 2, 2, 1], np.int32))
        targets = np.array(shares(mixed(twins, constant(0.7)), CLASSES))
        np.testing.assert_allclose(targets.sum(1), 1, rtol=1e-6)
        np.testing.assert_allclose(targets[1], [0, 0, 1, 0, 0], atol=1e-6)

    def test_the_share_of_an_image_is_that_of_its_pixels(self):
        """Ones mixed with zeros: the mean of the pixels is the share of the ones' class."""
        ones = linear.Batch(
            np.float32([np.ones((16, 16, 1)), np.zeros((16, 16, 1))]),
            np.array([1, 0], np.int32),
            np.ones(2, bool),
        )
        found = Mixing(0.3, 1.0, per_example=True)(jax.random.key(3), ones)
        of_ones = np.array(shares(found, 2))[:, 1]
        np.testing.assert_allclose(found.images.mean((1, 2, 3)), of_ones, atol=1e-6)
        assert ((of_ones > 0.01) & (of_ones < 0.99)).all()

    def test_an_example_that_is_there_several_times_is_mixed_with_another(self):
        """Augmented versions stand in a row; the partner is as many rows away."""
        twice = batch()._replace(labels=np.array([3, 3, 1, 1], np.int32))
        found = mixed(twice, constant(0.7), distance=2)
        np.testing.assert_array_equal(found.others, [1, 1, 3, 3])
        expected = 0.7 * twice.images[0] + 0.3 * twice.images[2]
        np.testing.assert_allclose(found.images[0], expected, atol=1e-6)

    def test_images_keep_their_type(self):
        half = batch()._replace(images=jnp.asarray(batch().images, jnp.bfloat16))
        assert mixed(half, constant(0.3)).images.dtype == jnp.bfloat16


class TestDraws:
    """Means and variances lie within five standard errors of 4,000 draws."""

    @pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0])
    def test_mixup_draws_from_a_beta_distribution(self, alpha):
        weights = draws_of(Mixing(mixup=alpha), size=(1, 1)).ravel()
        variance = 1 / (4 * (2 * alpha + 1))
        assert weights.mean() == pytest.approx(0.5, abs=5 * np.sqrt(variance / 4_000))
        assert weights.var() == pytest.approx(variance, rel=0.1)
        assert ((weights >= 0) & (weights <= 1)).all()

    def test_boxes_are_spread_over_the_whole_image(self):
        weights = draws_of(Mixing(cutmix=1.0), size=(8, 8))
        assert set(np.unique(weights)) == {0.0, 1.0}
        cut = 1 - weights.mean(0)[..., 0]
        # Symmetric, and more often in the middle, since boxes reach over the edges.
        np.testing.assert_allclose(cut, cut[::-1], atol=0.06)
        assert (cut > 0.1).all() and cut[4, 4] > cut[0, 0]

    def test_the_switch_chooses_between_the_two(self):
        weights = draws_of(Mixing(mixup=1.0, cutmix=1.0, switch=0.3), size=(4, 4))
        boxes = np.isin(weights, (0.0, 1.0)).all((1, 2, 3))
        assert boxes.mean() == pytest.approx(0.3, abs=5 * np.sqrt(0.21 / 4_000))

    def test_a_batch_is_mixed_with_the_probability(self):
        weights = draws_of(Mixing(mixup=1.0, probability=0.6), size=(1, 1)).ravel()
        assert (weights < 1).mean() == pytest.approx(0.6, abs=5 * np.sqrt(0.24 / 4_000))

    def test_one_draw_for_a_batch_or_one_for_each_example(self):
        for per_example, different in ((False, 1), (True, 4)):
            mixing = Mixing(mixup=1.0, per_example=per_example)
            found = mixing(jax.random.key(0), batch())
            assert len(set(np.array(found.share).tolist())) == different
