"""Quantises weights and activations to eight-bit integers, through qwix.

Both are quantised symmetrically. The scale of a kernel is the largest value of each output feature;
that of an activation is the largest value of each image, taken when the network runs. So nothing
needs calibration, and a result does not depend on the other images of the batch.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from resnet_jax.analysis.subject import logits
from resnet_jax.models.resnet import ResNet
from resnet_jax.tables import UserError

Tree = Any
DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def _qwix() -> Any:
    try:
        import qwix
    except ImportError:
        raise UserError("quantisation needs qwix: pip install qwix") from None
    return qwix


def quantised(params: Tree) -> Tree:
    """The parameters with each kernel as qwix.QArray: int8 and a scale for each output feature."""
    qwix = _qwix()

    def quantise(path: Any, leaf: Array) -> Any:
        if path[-1].key != "kernel":
            return leaf
        return qwix.quantize(leaf, jnp.int8, channelwise_axes=[leaf.ndim - 1])

    return jax.tree_util.tree_map_with_path(quantise, params)


def apply_quantised(model: ResNet, quantised_params: Tree, images: Array) -> Array:
    """Logits of a network without norms, whose convolutions and head multiply int8 by int8.

    Args:
      model: a network without norms, see `folding.fold`.
      quantised_params: parameters that `quantised` has returned.
    """
    qwix = _qwix()

    def call(conv_or_dense: Any, x: Array) -> Array:
        node = _at(quantised_params, conv_or_dense.path)
        inputs = qwix.quantize(x.astype(jnp.float32), jnp.int8, channelwise_axes=[0])
        if isinstance(conv_or_dense, nn.Dense):
            y = qwix.dot_general(inputs, node["kernel"], (((x.ndim - 1,), (0,)), ((), ())))
        else:
            y = qwix.conv_general_dilated(
                inputs,
                node["kernel"],
                conv_or_dense.strides,
                conv_or_dense.padding,
                rhs_dilation=conv_or_dense.kernel_dilation,
                dimension_numbers=DIMENSIONS,
                feature_group_count=conv_or_dense.feature_group_count,
            )
        return y + node["bias"].reshape((1,) * (y.ndim - 1) + (-1,)) if "bias" in node else y

    with _replaced(call):
        return logits(model, {"params": _floats(quantised_params)}, images)


def apply_rounded(model: ResNet, variables: Tree, images: Array, **options: Any) -> Any:
    """Applies a network that learns to be quantised: it rounds kernels and activations to int8.

    Gradients pass the rounding as if it were not there (Jacob et al., arXiv 1712.05877, section 3).

    Args:
      options: train and mutable, of `model.apply`.
    """

    def call(conv_or_dense: Any, x: Array) -> Array:
        node = _at(variables["params"], conv_or_dense.path)
        kernel = rounded(node["kernel"], node["kernel"].ndim - 1)
        inputs = rounded(x, 0)
        if isinstance(conv_or_dense, nn.Dense):
            y = inputs @ kernel
        else:
            y = lax.conv_general_dilated(
                inputs,
                kernel,
                conv_or_dense.strides,
                conv_or_dense.padding,
                rhs_dilation=conv_or_dense.kernel_dilation,
                dimension_numbers=DIMENSIONS,
                feature_group_count=conv_or_dense.feature_group_count,
            )
        return y + node["bias"].reshape((1,) * (y.ndim - 1) + (-1,)) if "bias" in node else y

    with _replaced(call):
        return model.apply(variables, images, **options)


def rounded(x: Array, axis: int) -> Array:
    """Rounds x to int8 and back; the gradient is that of x."""
    qwix = _qwix()
    near = qwix.dequantize(qwix.quantize(x, jnp.int8, channelwise_axes=[axis]))
    return x + lax.stop_gradient(near.astype(x.dtype) - x)


def _replaced(call: Callable[[Any, Array], Array]) -> Any:
    def intercept(method: Any, args: Any, kwargs: Any, context: Any) -> Any:
        module = context.module
        if isinstance(module, nn.Conv | nn.Dense) and context.method_name == "__call__":
            return call(module, args[0])
        return method(*args, **kwargs)

    return nn.intercept_methods(intercept)


def _at(tree: Tree, path: tuple[str, ...]) -> Tree:
    for key in path:
        tree = tree[key]
    return tree


def _floats(quantised_params: Tree) -> Tree:
    """The parameters with zeros for quantised kernels; Flax checks shapes and reads no value."""
    qwix = _qwix()
    return jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape) if isinstance(leaf, qwix.QArray) else leaf,
        quantised_params,
        is_leaf=lambda leaf: isinstance(leaf, qwix.QArray),
    )


def tensors(quantised_params: Tree) -> dict[str, Array]:
    """The arrays of a file: int8 values and float32 scales of the kernels, and the biases."""
    qwix = _qwix()
    found: dict[str, Array] = {}
    leaves = jax.tree_util.tree_leaves_with_path(
        quantised_params, is_leaf=lambda leaf: isinstance(leaf, qwix.QArray)
    )
    for path, leaf in leaves:
        name = "/".join(key.key for key in path)
        if isinstance(leaf, qwix.QArray):
            found[name], found[f"{name}_scale"] = leaf.qvalue, leaf.scale
        else:
            found[name] = leaf
    return found
