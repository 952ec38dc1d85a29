"""Exports a network with its weights as one self-contained program: StableHLO or ONNX."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from resnet_jax.models.resnet import ResNet
from resnet_jax.models.standardisation import standardise
from resnet_jax.tables import UserError

PLATFORMS = ("cpu", "cuda", "tpu")
# Two orders of the same sums may differ by this share of the largest logit, in float32.
TOLERANCE = 1e-5


def stablehlo(model: ResNet, variables: Any, image_shape: Sequence[int]) -> bytes:
    """Returns the bytes of a serialised function: images [batch, H, W, C] -> logits.

    `jax.export.deserialize` reads them. The function runs on all PLATFORMS, with any batch size.
    """
    (batch,) = export.symbolic_shape("batch")
    images = jax.ShapeDtypeStruct((batch, *image_shape), jnp.float32)
    exported = export.export(jax.jit(_apply(model, variables)), platforms=PLATFORMS)(images)
    return bytes(exported.serialize())


def onnx(model: ResNet, variables: Any, image_shape: Sequence[int]) -> bytes:
    """Returns an ONNX model, 'images' [batch, H, W, C] -> 'logits', checked against the network.

    Raises:
      UserError: the converter is not installed, or the model gives other logits.
    """
    try:
        import onnxruntime
        from jax2onnx import to_onnx
    except ImportError as error:
        raise UserError(
            f"writing ONNX needs {error.name}: pip install jax2onnx onnxruntime"
        ) from None
    epsilon, gain = model.layers.weight_epsilon, model.layers.weight_gain
    if epsilon is not None:
        # The converter replaces our convolution by its own, which does not standardise.
        variables = _standardised(variables, epsilon, gain)
        model = model.clone(layers=replace(model.layers, weight_epsilon=None, weight_gain=None))
    compute = _apply(model, variables)
    converted = to_onnx(
        compute, [("batch", *image_shape)], input_names=["images"], output_names=["logits"]
    )
    content = converted.SerializeToString()

    images = np.random.default_rng(0).normal(size=(2, *image_shape)).astype(np.float32)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"images": images})
    expected = np.asarray(jax.jit(compute)(images))
    difference = np.abs(logits - expected).max() / np.abs(expected).max()
    if not difference <= TOLERANCE:
        raise UserError(
            f"the ONNX converter made a network whose logits differ by {difference:.1e} of the"
            " largest, so nothing was written: export to .stablehlo"
        )
    return content


def _apply(model: ResNet, variables: Any) -> Any:
    return lambda images: model.apply(variables, images, train=False)


def _standardised(variables: Any, epsilon: float, gain: float | None) -> Any:
    """The variables with the kernels of all convolutions standardised."""

    def leaf(path: tuple, value: jax.Array) -> jax.Array:
        is_kernel = path[-1].key == "kernel" and value.ndim == 4
        return standardise(jnp.asarray(value), epsilon, gain) if is_kernel else value

    return jax.tree_util.tree_map_with_path(leaf, variables)
