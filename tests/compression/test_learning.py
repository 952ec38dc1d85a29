"""Learning after a compression: distillation, and updates against arithmetic by hand."""

import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.compression import learning
from resnet_jax.data.changes.augment import Augmentation
from resnet_jax.data.resident import ImageSet, ResidentData
from resnet_jax.tables import UserError


def test_distillation_by_hand():
    student, teacher = np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]])

    def softmax(x):
        return np.exp(x) / np.exp(x).sum()

    p, q = softmax(teacher[0] / 2), softmax(student[0] / 2)
    by_hand = 0.7 * 4 * (p * np.log(p / q)).sum() - 0.3 * np.log(softmax(student[0])[1])
    batch = learning.TaughtBatch(None, np.array([1]), np.array([True]), jnp.asarray(teacher))
    found = learning.distillation(2.0, 0.7)(jnp.asarray(student), batch)
    assert float(found[0]) == pytest.approx(by_hand, rel=1e-5)
    assert float(learning.divergence(jnp.asarray(teacher), jnp.asarray(teacher))[0]) == 0


@pytest.fixture(scope="module")
def data():
    draw = np.random.default_rng(0)
    images = ImageSet(draw.integers(0, 256, (64, 2, 2, 1)).astype(np.uint8),
                      (np.arange(64) % 2).astype(np.int32))  # fmt: skip
    return ResidentData(images, mean=(0.5,), std=(0.25,))


def linear(variables, images, train, mutable=(), rngs=None):
    flat = images.reshape(len(images), -1)
    return flat @ variables["params"]["kernel"], {}


def test_a_student_that_can_comes_to_agree_with_its_teacher(data):
    taught = np.random.default_rng(1).standard_normal((4, 2)).astype(np.float32)
    examples = learning.Taught(
        data, lambda kernel, images: images.reshape(len(images), -1) @ kernel, taught
    )
    found = learning.learn(
        linear, {"params": {"kernel": jnp.zeros((4, 2))}}, examples, steps=150, rate=0.3,
        batch_size=16, objective=learning.distillation(1.0, 1.0),
    )  # fmt: skip
    kernel = found["params"]["kernel"]
    # Logits count up to a constant.
    np.testing.assert_allclose(kernel[:, 0] - kernel[:, 1], taught[:, 0] - taught[:, 1], atol=0.15)


def by_kernel(kernel, images):
    return images.reshape(len(images), -1) @ kernel


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("given", ["labels", "teacher"])
def test_updates_by_hand(data, given):
    """SGD with momentum 0.9, weight decay 1e-4 and half a cosine, in NumPy."""
    draw = np.random.default_rng(5)
    start, taught = draw.standard_normal((2, 4, 2))
    steps, rate, size = 3, 0.5, 8
    options, examples = {}, data
    if given == "teacher":
        options = {"objective": learning.distillation(2.0, 0.75)}
        examples = learning.Taught(data, by_kernel, taught)
    found = learning.learn(
        linear, {"params": {"kernel": jnp.asarray(start, jnp.float32)}}, examples,
        steps=steps, rate=rate, batch_size=size, seed=1, **options,
    )  # fmt: skip

    kernel, momentum = start, 0.0
    for step in range(steps):
        batch = data.eval_batch(data.arrays, data.train_picks(1, step, size))
        x, right = np.reshape(batch.images, (size, 4)), np.eye(2)[batch.labels]
        by_logits = softmax(x @ kernel) - right
        if given == "teacher":
            # T^2 times the gradient of a divergence whose logits are divided by T.
            softened = softmax(x @ kernel / 2) - softmax(x @ taught / 2)
            by_logits = 0.75 * 2 * softened + 0.25 * by_logits
        momentum = 0.9 * momentum + x.T @ by_logits / size + 1e-4 * kernel
        kernel = kernel - rate * (1 + np.cos(np.pi * step / steps)) / 2 * momentum
    np.testing.assert_allclose(found["params"]["kernel"], kernel, rtol=2e-5, atol=2e-6)


class Changed:
    """A split whose training images are twice those of evaluation."""

    def __init__(self, data):
        self.arrays, self.examples, self.size_changes = data.arrays, data.examples, ()
        self.train_picks, self.eval_picks = data.train_picks, data.eval_picks
        self.eval_batch = data.eval_batch

    def train_batch(self, arrays, picks, key):
        batch = self.eval_batch(arrays, picks)
        return batch._replace(images=2 * batch.images)


@pytest.mark.parametrize("consistent", [True, False])
def test_the_teacher_sees_the_students_crop_or_the_image_as_it_is(data, consistent):
    taught = np.random.default_rng(5).standard_normal((4, 2))
    examples = learning.Taught(Changed(data), by_kernel, taught, consistent=consistent)
    found = learning.learn(
        linear, {"params": {"kernel": jnp.zeros((4, 2))}}, examples, steps=1, rate=1.0,
        batch_size=8, objective=learning.distillation(1.0, 1.0),
    )  # fmt: skip
    images = data.eval_batch(data.arrays, data.train_picks(0, 0, 8)).images
    x = 2 * np.reshape(images, (8, 4))
    by_logits = 0.5 - softmax((x if consistent else x / 2) @ taught)
    np.testing.assert_allclose(found["params"]["kernel"], -x.T @ by_logits / 8, rtol=1e-4)


def test_what_is_masked_stays_at_zero(data):
    mask = {"kernel": jnp.array([[True, False]] * 4)}
    start = {"params": {"kernel": jnp.zeros((4, 2))}}
    found = learning.learn(linear, start, data, steps=5, rate=0.1, batch_size=16, mask=mask)
    kernel = np.asarray(found["params"]["kernel"])
    assert kernel[:, 0].all() and not kernel[:, 1].any()
    assert not start["params"]["kernel"].any()


@pytest.mark.parametrize("consistent", [True, False])
def test_the_teacher_sees_the_crop_of_the_student_or_the_whole_image(consistent):
    draw = np.random.default_rng(0)
    images = ImageSet(draw.integers(0, 256, (8, 4, 4, 1)).astype(np.uint8), np.zeros(8, np.int32))
    data = ResidentData(images, mean=(0.5,), std=(0.25,), augmentation=Augmentation(pad=2))
    taught = learning.Taught(data, lambda scale, x: scale * x, 2.0, consistent=consistent)
    picks, key = taught.train_picks(0, 0, 8), jax.random.key(0)
    batch = taught.train_batch(taught.arrays, picks, key)
    crops = data.train_batch(data.arrays, picks, key).images
    whole = data.eval_batch(data.arrays, picks).images
    assert not np.array_equal(crops, whole)
    np.testing.assert_array_equal(batch.images, crops)
    np.testing.assert_array_equal(batch.teacher_logits, 2 * (crops if consistent else whole))


def test_a_loss_that_is_not_finite_is_a_sentence(data):
    start = {"params": {"kernel": jnp.full((4, 2), jnp.nan)}}
    with pytest.raises(UserError, match=r"train/loss became nan at step 1 .*: lower --rate"):
        learning.learn(linear, start, data, steps=5, rate=0.1, batch_size=16)


def test_a_signal_ends_the_training(data):
    def interrupted(variables, images, **options):
        os.kill(os.getpid(), signal.SIGINT)
        return linear(variables, images, **options)

    start = {"params": {"kernel": jnp.zeros((4, 2))}}
    with pytest.raises(UserError, match="SIGINT came after 1 of 5 updates"):
        learning.learn(interrupted, start, data, steps=5, rate=0.1, batch_size=16)
