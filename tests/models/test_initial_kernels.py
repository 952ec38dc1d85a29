"""Initial kernels: the values of JAX's own initializers, compiled in a fraction of their time."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from command_line import ROOT

from resnet_jax.models.kernels import KERNEL_INITS

JAXS = {
    "he_fan_out": jax.nn.initializers.variance_scaling(2.0, "fan_out", "normal"),
    "he_fan_in": jax.nn.initializers.variance_scaling(2.0, "fan_in", "normal"),
    "pytorch": jax.nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform"),
}
INITIALISE = """
import time
import jax
import jax.numpy as jnp
from resnet_jax import models

model = models.create("cifar_resnet20_a")
images = jnp.zeros((1, 32, 32, 3))
begin = time.process_time()
init = jax.jit(lambda key: model.init(key, images, train=False))
jax.block_until_ready(init(jax.random.key(0)))
print(time.process_time() - begin)
"""


@pytest.mark.parametrize("name", JAXS)
@pytest.mark.parametrize("shape", [(3, 3, 4, 6), (1, 1, 5, 3)])
def test_the_values_are_those_of_jax(name, shape):
    key = jax.random.key(3)
    expected = JAXS[name](key, shape, jnp.float32)
    np.testing.assert_array_equal(KERNEL_INITS[name](key, shape, jnp.float32), expected)


@pytest.mark.slow
def test_a_network_is_initialised_in_seconds():
    """Of processor time, with the compiler's options and caches of a user's process."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("JAX", "XLA"))}
    done = subprocess.run(
        [sys.executable, "-c", INITIALISE],
        cwd=ROOT, env={**kept, "JAX_PLATFORMS": "cpu"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 5
