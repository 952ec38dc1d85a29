from functools import partial

import jax
import jax.numpy as jnp
import linear
import numpy as np
import optax
import pytest

from resnet_jax.training.losses import binary_cross_entropy, cross_entropy
from resnet_jax.training.mixing import Mixing
from resnet_jax.training.optim import Numbers
from resnet_jax.training.state import TrainState
from resnet_jax.training.steps import TrainStep, class_objective, step_keys

KEY = jax.random.key(0)
NUMBERS = Numbers(0.1, 0.0)


def train_step(apply=linear.apply, loss=cross_entropy, label_smoothing=0.0, **options):
    return TrainStep(
        apply=apply,
        optimizer=lambda rate, decay: optax.chain(
            optax.add_decayed_weights(decay), optax.sgd(rate, momentum=0.9)
        ),
        objective=class_objective(loss, label_smoothing),
        **{"schedule": optax.constant_schedule(1.0), **options},
    )


def new_state(step, variables=None, ema=False):
    optimizer = step.optimizer(step.schedule, 0.0)
    return TrainState.create(variables or linear.variables(), optimizer, ema=ema)


class TestLinearModel:
    @pytest.mark.parametrize("smoothing", [0.0, 0.3])
    def test_two_steps_equal_numpy(self, smoothing):
        step = train_step(label_smoothing=smoothing)
        state, params, velocity = new_state(step), linear.PARAMS, {"kernel": 0.0, "bias": 0.0}
        for number in range(2):
            batch = linear.batch(8, seed=number)
            state, _ = step(state, batch, KEY, NUMBERS)
            _, gradient = linear.loss_and_gradient(params, batch, smoothing)
            velocity = {name: 0.9 * velocity[name] + gradient[name] for name in params}
            params = {name: params[name] - 0.1 * velocity[name] for name in params}
        assert int(state.step) == 2
        for name, expected in params.items():
            np.testing.assert_allclose(state.params[name], expected, rtol=1e-4, atol=1e-6)

    def test_float64_runs_have_rates_and_averages_of_float64(self):
        with jax.enable_x64(True):
            schedule = optax.linear_schedule(1.0, 0.0, 30)
            step = train_step(schedule=schedule, ema_decay=0.999)
            params = {name: value.astype(np.float64) for name, value in linear.PARAMS.items()}
            state = new_state(step, {"params": params}, ema=True).replace(step=jnp.int32(7))
            after, report = jax.jit(step)(state, linear.batch(8), KEY, NUMBERS)
        np.testing.assert_allclose(report["learning_rate"], 0.1 * 23 / 30, rtol=1e-14)
        old, new = params["kernel"], np.asarray(after.params["kernel"])
        np.testing.assert_allclose(
            after.ema["params"]["kernel"], old + 9 / 17 * (new - old), rtol=1e-14
        )

    def test_report_tells_of_the_state_before_the_update(self):
        step = train_step(schedule=optax.linear_schedule(1.0, 0.0, 10))
        batch = linear.batch(8)
        state = new_state(step).replace(step=jnp.int32(4))
        _, report = step(state, batch, KEY, NUMBERS)
        loss, gradient = linear.loss_and_gradient(linear.PARAMS, batch)
        norm = np.sqrt(sum((leaf**2).sum() for leaf in gradient.values()))
        np.testing.assert_allclose(report["sums"]["loss"], 8 * loss, rtol=1e-5)
        assert int(report["sums"]["examples"]) == 8
        np.testing.assert_allclose(report["gradient_norm"], norm, rtol=1e-5)
        np.testing.assert_allclose(report["learning_rate"], 0.1 * 0.6, rtol=1e-6)

    def test_reported_loss_is_not_smoothed(self):
        """So that it compares between recipes and with the evaluation."""
        batch = linear.batch(8)
        reports = []
        for smoothing in (0.0, 0.5):
            step = train_step(label_smoothing=smoothing)
            reports.append(step(new_state(step), batch, KEY, NUMBERS)[1])
        assert float(reports[0]["sums"]["loss"]) == float(reports[1]["sums"]["loss"])
        assert float(reports[0]["gradient_norm"]) != float(reports[1]["gradient_norm"])

    @pytest.mark.parametrize("accumulate", [1, 2])
    def test_mixed_images_are_learnt_with_mixed_targets(self, accumulate):
        """Whole batches are mixed, and then computed in micro-batches."""
        mixing, smoothing = Mixing(mixup=1.0, per_example=True), 0.1
        step = train_step(mixing=mixing, label_smoothing=smoothing, accumulate=accumulate)
        batch = linear.batch(8)
        state, report = step(new_state(step), batch, KEY, NUMBERS)

        mixed = mixing(jax.random.split(KEY)[1], batch)
        share = np.array(mixed.share)[:, None]
        labels = np.eye(linear.CLASSES)
        targets = share * labels[mixed.labels] + (1 - share) * labels[mixed.others]
        _, gradient = linear.loss_and_gradient(linear.PARAMS, mixed, smoothing, targets)
        for name, old in linear.PARAMS.items():
            expected = old - 0.1 * gradient[name]
            np.testing.assert_allclose(state.params[name], expected, rtol=1e-4, atol=1e-6)
        loss, _ = linear.loss_and_gradient(linear.PARAMS, mixed)
        np.testing.assert_allclose(report["sums"]["loss"], 8 * loss, rtol=1e-5)

    def test_another_loss_in_place_of_cross_entropy(self):
        """One sigmoid a class: the gradient of its logit is (probability - target) / classes."""
        step, batch = train_step(loss=binary_cross_entropy), linear.batch(8)
        state, _ = step(new_state(step), batch, KEY, NUMBERS)
        x = batch.images.reshape(8, -1)
        odds = 1 / (1 + np.exp(-(x @ linear.PARAMS["kernel"] + linear.PARAMS["bias"])))
        error = (odds - np.eye(linear.CLASSES)[batch.labels]) / (8 * linear.CLASSES)
        expected = linear.PARAMS["kernel"] - 0.1 * x.T @ error
        np.testing.assert_allclose(state.params["kernel"], expected, rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("unroll", [False, True])
    def test_micro_batches_equal_the_whole_batch(self, unroll):
        batch = linear.batch(16)
        whole, cut = train_step(), train_step(accumulate=4, unroll=unroll)
        expected, expected_report = whole(new_state(whole), batch, KEY, NUMBERS)
        found, report = cut(new_state(cut), batch, KEY, NUMBERS)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-6), found, expected)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), report, expected_report)
        assert int(report["sums"]["examples"]) == 16

    def test_learning_rate_and_weight_decay_are_arguments(self):
        """One compiled step serves every rate and decay."""
        traces = []

        def counted(variables, images, **options):
            traces.append(1)
            return linear.apply(variables, images, **options)

        step, batch = train_step(counted), linear.batch(8)
        compiled = jax.jit(step)
        _, gradient = linear.loss_and_gradient(linear.PARAMS, batch)
        for rate, decay in ((0.1, 0.0), (0.3, 0.0), (0.1, 0.5)):
            numbers = Numbers(np.float32(rate), np.float32(decay))
            state, report = compiled(new_state(step), batch, KEY, numbers)
            np.testing.assert_allclose(report["learning_rate"], rate, rtol=1e-6)
            for name, old in linear.PARAMS.items():
                expected = old - rate * (gradient[name] + decay * old)
                np.testing.assert_allclose(state.params[name], expected, rtol=1e-4, atol=1e-6)
        assert len(traces) == 1

    def test_average_follows_the_new_parameters(self):
        step = train_step(ema_decay=0.5)
        state, _ = step(new_state(step, ema=True), linear.batch(8), KEY, NUMBERS)
        # The decay of step 0 is 1/10.
        for name, old in linear.PARAMS.items():
            expected = 0.1 * old + 0.9 * state.params[name]
            np.testing.assert_allclose(state.ema["params"][name], expected, rtol=1e-6)

    def test_without_a_decay_there_is_no_average(self):
        step = train_step()
        state, _ = step(new_state(step), linear.batch(8), KEY, NUMBERS)
        assert state.ema is None


class TestBatchNorm:
    def run(self, batch, group_size=None, **options):
        network = linear.Normalised(group_size=group_size)
        variables = network.init(jax.random.key(1), batch.images, train=False)
        step = train_step(network.apply, **options)
        return step(new_state(step, variables), batch, KEY, NUMBERS)

    def test_micro_batches_are_groups_of_statistics(self):
        """Micro-batch m has examples m, m + 4, ..., so put those side by side for groups of 4."""
        batch = linear.batch(16)
        order = np.arange(16).reshape(4, 4).T.ravel()
        grouped = linear.Batch(*(leaf[order] for leaf in batch))
        found, report = self.run(batch, accumulate=4)
        expected, expected_report = self.run(grouped, group_size=4)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), found, expected)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), report, expected_report)

        whole, _ = self.run(batch)
        difference = whole.params["Dense_0"]["kernel"] - found.params["Dense_0"]["kernel"]
        assert abs(difference).max() > 1e-4

    def test_new_statistics_go_into_state_and_average(self):
        batch = linear.batch(8)
        network = linear.Normalised()
        variables = network.init(jax.random.key(1), batch.images, train=False)
        step = train_step(network.apply, ema_decay=0.5)
        state, _ = step(new_state(step, variables, ema=True), batch, KEY, NUMBERS)

        dense = variables["params"]["Dense_0"]
        before_norm = batch.images.reshape(8, -1) @ dense["kernel"] + dense["bias"][None]
        mean = state.batch_stats["BatchNorm_0"]["mean"]
        np.testing.assert_allclose(mean, 0.5 * before_norm.mean(0), rtol=1e-4, atol=1e-6)
        average = state.ema["batch_stats"]["BatchNorm_0"]["mean"]
        np.testing.assert_allclose(average, 0.9 * mean, rtol=1e-5)


def test_each_micro_batch_draws_its_own_random_numbers():
    def apply(variables, images, *, train, mutable, rngs):
        logits, _ = linear.apply(variables, images, train=train, mutable=mutable)
        return logits, {"batch_stats": {"draw": jax.random.uniform(rngs["dropout"])}}

    step = train_step(apply, accumulate=2)
    variables = {**linear.variables(), "batch_stats": {"draw": jnp.float32(0)}}
    state, _ = step(new_state(step, variables), linear.batch(4), KEY, NUMBERS)
    draws = [float(jax.random.uniform(key)) for key in jax.random.split(KEY)]
    assert draws[0] != draws[1]
    np.testing.assert_allclose(state.batch_stats["draw"], sum(draws) / 2, rtol=1e-6)


def test_keys_are_a_function_of_seed_and_step():
    keys = [key for seed in (0, 1) for step in range(3) for key in step_keys(seed, step)]
    data = {jax.random.key_data(key).tobytes() for key in jax.device_get(keys)}
    assert len(data) == 12
    again = step_keys(1, jnp.int32(2))[1]
    np.testing.assert_array_equal(jax.random.key_data(again), jax.random.key_data(keys[-1]))
