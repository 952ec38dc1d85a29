"""The state that a run starts from, drawn on the host."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from ml_collections import ConfigDict

from resnet_jax.assembly.inputs import Inputs
from resnet_jax.models.parts import replaced
from resnet_jax.models.resnet import ResNet
from resnet_jax.models.scan import initial
from resnet_jax.models.stems import whitening_size
from resnet_jax.models.whitening import whitening_kernel
from resnet_jax.training.state import TrainState, Tree

# XLA spends most of its time optimising random numbers that are drawn once.
OPTIONS = {"xla_backend_optimization_level": 0}


def initial_state(
    model: ResNet,
    image_shape: tuple[int, ...],
    optimizer: optax.GradientTransformation,
    key: jax.Array,
    pretrained: Tree,
    *,
    ema: bool,
) -> TrainState:
    """The state before the first update.

    Args:
      image_shape: height, width and channels.
      pretrained: variables, or some of them, that replace the drawn ones.
    """
    image = jnp.zeros((1, *image_shape))
    variables = replaced(initial(model, key, image), pretrained)
    return TrainState.create(variables, optimizer, ema=ema)


def whitened(config: ConfigDict, model: ResNet, inputs: Inputs) -> Tree:
    """The kernel of a stem that whitens, from the first training images; nothing for others.

    Raises:
      UserError: the stem's width or the images are not what it needs.
    """
    size = whitening_size(model.stem)
    if size is None:
        return {}
    images = inputs.first_images(config.init.whitening_images)
    epsilon = config.init.whitening_epsilon
    kernel = whitening_kernel(images, model.stem_width, kernel=size, epsilon=epsilon)
    return {"params": {"stem_conv": {"kernel": kernel.astype(model.layers.param_dtype)}}}


def create(
    state: Callable[[jax.Array, Tree], TrainState], seed: int, pretrained: Tree, shardings: Tree
) -> TrainState:
    """Computes a state on a CPU and places it, whatever the run trains on.

    A CPU's compiler takes a fourth of the time of a GPU's for it, and runs on all hardware start
    from the same numbers.

    Args:
      state: (key, pretrained) -> the state.
      shardings: of its arrays.
    """
    with jax.default_device(_cpu()):
        made = jax.jit(state, compiler_options=OPTIONS)(jax.random.key(seed), pretrained)

    def place(leaf: jax.Array, sharding: Any) -> jax.Array:
        array = np.asarray(leaf)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    return jax.tree.map(place, made, shardings)


def _cpu() -> jax.Device | None:
    """A CPU of this process; None where JAX_PLATFORMS leaves CPUs out."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return None
