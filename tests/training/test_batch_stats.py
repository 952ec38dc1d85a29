from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import linear
import numpy as np
import pytest

from resnet_jax.data.changes.augment import Augmentation
from resnet_jax.data.resident import ResidentData
from resnet_jax.data.sources.catalogue import synthetic
from resnet_jax.models.batch_norm import BatchNorm
from resnet_jax.models.building import resnet
from resnet_jax.tables import UserError
from resnet_jax.training import batch_stats, parallel
from resnet_jax.training.evaluation import Recalibration
from resnet_jax.training.steps import step_keys


def moments(x):
    x = np.float64(x).reshape(-1, x.shape[-1])
    return {"mean": x.mean(0), "var": x.var(0)}


def assert_close(found, expected, **tolerance):
    compare = partial(np.testing.assert_allclose, **{"rtol": 1e-4, "atol": 1e-5, **tolerance})
    jax.tree.map(compare, found, expected)


class TestPool:
    def test_gives_the_moments_of_the_union(self):
        batches = np.random.default_rng(0).normal(3, 2, (5, 20, 4)).astype(np.float32)
        batches += np.arange(5, dtype=np.float32)[:, None, None]  # their means differ
        trees = [{"stage": {"norm": moments(batch)}} for batch in batches]
        assert_close(batch_stats.pool(trees), {"stage": {"norm": moments(batches)}})

    def test_one_batch_is_itself(self):
        tree = {"norm": {"mean": jnp.array([1.0, -2.0]), "var": jnp.array([4.0, 0.5])}}
        assert_close(batch_stats.pool([tree]), tree)

    def test_variance_of_a_constant_channel_is_not_negative(self):
        """(300.1^2 averaged) - 300.1^2 is a small number of either sign in float32."""
        values = np.linspace(300, 301, 200, dtype=np.float32)
        tree = {"norm": {"mean": jnp.array(values), "var": jnp.zeros(200)}}
        assert (batch_stats.pool([tree] * 3)["norm"]["var"] >= 0).all()

    def test_no_batch(self):
        with pytest.raises(UserError, match=r"at least one batch: set eval\.recalibration_steps"):
            batch_stats.pool([])

    def test_network_without_statistics(self):
        assert batch_stats.pool([{}, {}]) == {}


def test_statistics_of_a_batch_are_its_moments():
    class Network(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            return BatchNorm(train=train, momentum=0.0)(x)

    images = linear.batch(16).images
    variables = Network().init(jax.random.key(0), images, train=False)
    like = jax.tree.map(lambda leaf: leaf + 7, variables["batch_stats"])
    found = batch_stats.of_batch(Network().apply, variables["params"], like, linear.batch(16))
    assert_close(found, {"BatchNorm_0": moments(images)})


@pytest.fixture(scope="module")
def network():
    model = partial(
        resnet,
        family="cifar",
        classes=4,
        stage_depths=(1, 1, 1),
        widths=(4, 8, 8),
        stem_width=4,
    )
    init = jax.jit(partial(model().init, train=False))
    variables = init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    return model(), model(norm={"name": "batch", "momentum": 0.0}), variables


@pytest.fixture(scope="module")
def data():
    image_set = synthetic(image_size=8, classes=4, examples=24).load("train")
    return ResidentData(image_set, mean=(0.5,), std=(0.25,), augmentation=Augmentation(flip=True))


def recalibrate(network, data, batch_size, steps):
    _, without_memory, variables = network
    recalibration = Recalibration(
        without_memory.apply, data, 5, batch_size, steps, parallel.make_mesh()
    )
    return recalibration(variables)


def training_batch(data, step, batch_size):
    picks = data.train_picks(5, step, batch_size)
    return data.train_batch(data.arrays, picks, step_keys(5, step)[0])


def test_recalibrated_evaluation_equals_training_mode_on_the_same_batch(network, data):
    model, _, variables = network
    images = training_batch(data, 0, 24).images
    in_training = jax.jit(partial(model.apply, train=True, mutable=["batch_stats"]))
    expected, _ = in_training(variables, images)
    recalibrated = recalibrate(network, data, batch_size=24, steps=1)
    found = jax.jit(partial(model.apply, train=False))(recalibrated, images)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_recalibration_pools_the_first_batches_of_the_run(network, data):
    _, _, variables = network
    images = jnp.concatenate([training_batch(data, step, 8).images for step in range(3)])
    kernel = variables["params"]["stem_conv"]["kernel"]
    stem = jax.lax.conv_general_dilated(
        images, kernel, (1, 1), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    recalibrated = recalibrate(network, data, batch_size=8, steps=3)
    assert_close(recalibrated["batch_stats"]["stem_norm"], moments(np.asarray(stem)))
    assert recalibrated["params"] is variables["params"]
