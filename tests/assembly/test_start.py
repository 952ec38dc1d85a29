"""A new state is drawn on a CPU and lies where the run trains."""

import jax
import numpy as np
from traces import tiny

from resnet_jax.assembly import Assembly, start


def test_it_is_computed_on_a_cpu_and_placed():
    made = Assembly(tiny(), platform="tpu")
    devices = []

    def state(key, pretrained):
        devices.append(jax.config.jax_default_device)
        return made.initial_state(key, pretrained)

    shardings = made.placement.at_rest(made.abstract_state)
    created = start.create(state, 3, {}, shardings)
    assert [device.platform for device in devices] == ["cpu"]
    for array, sharding in zip(*map(jax.tree.leaves, (created, shardings)), strict=True):
        assert array.sharding == sharding
    expected = jax.jit(made.initial_state)(jax.random.key(3))
    jax.tree.map(np.testing.assert_array_equal, created.params, expected.params)


def test_where_jax_platforms_leaves_cpus_out(monkeypatch):
    def refuse(backend):
        raise RuntimeError(f"Unknown backend {backend}")

    monkeypatch.setattr(jax, "local_devices", refuse)
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    created = start.create(lambda key, given: given, 0, np.float32(4), sharding)
    assert created == 4
