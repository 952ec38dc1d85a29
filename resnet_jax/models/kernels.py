"""Initial values of convolutions' kernels.

A normalised network computes the same at any scale of a kernel, but a kernel that starts smaller
turns faster at the same learning rate.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from resnet_jax.tables import Table

Initializer = Callable[..., Array]


def variance_scaling(
    scale: float, fan: Literal["in", "out"], distribution: Literal["normal", "uniform"]
) -> Initializer:
    """As `jax.nn.initializers.variance_scaling`, of the same values, but quickly compiled.

    The values are drawn in a row, and take the kernel's shape afterwards: XLA takes a twentieth of
    the time to compile for a CPU what counts one axis in place of four.

    Args:
      scale: the variance, times the fan.
      fan: the inputs or the outputs that a value of the kernel has a part in.
    """

    def init(key: Array, shape: Sequence[int], dtype: Any = None) -> Array:
        dtype = jax.dtypes.canonicalize_dtype(float) if dtype is None else dtype
        *window, inputs, outputs = shape
        size = math.prod(window) * (inputs if fan == "in" else outputs)
        variance = np.asarray(scale / size, dtype)
        count = (math.prod(shape),)
        if distribution == "normal":
            row = nn.initializers.normal(np.sqrt(variance))(key, count, dtype)
        else:
            row = jax.random.uniform(key, count, dtype, -1) * np.sqrt(3 * variance)
        return row.reshape(shape)

    return init


PYTORCH = variance_scaling(1 / 3, "in", "uniform")


def dirac(key: Array, shape: Sequence[int], dtype: Any = None) -> Array:
    """The first filters hand on one input channel each; those beyond the inputs are PyTorch's.

    Jordan, arXiv 2404.00498, in the form of airbench94.py (class Conv). Filter m of the
    first M, where M is the smaller of inputs and features, is 1 at its centre for channel m.
    """
    *window, inputs, features = shape
    same = min(inputs, features)
    centre = tuple(side // 2 for side in window)
    kernel = PYTORCH(key, shape, dtype).at[..., :same].set(0)
    return kernel.at[(*centre, jnp.arange(same), jnp.arange(same))].set(1)


KERNEL_INITS = Table(
    "model.kernel_init",
    {
        # He et al., arXiv 1502.01852; fan-out is what fb.resnet.torch and torchvision use.
        "he_fan_out": variance_scaling(2.0, "out", "normal"),
        "he_fan_in": variance_scaling(2.0, "in", "normal"),
        # The default of PyTorch's layers: uniform, with a sixth of He's variance.
        "pytorch": PYTORCH,
        "dirac": dirac,
    },
)
