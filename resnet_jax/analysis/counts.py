"""What a network costs: parameters, arithmetic and activations of every layer."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from resnet_jax.models.resnet import ResNet

# Forward passes that an update computes as much as: a backward pass computes the gradient by the
# input and the one by the kernel of each layer.
PASSES = 3


class Layer(NamedTuple):
    """A layer and what one image costs in it.

    Attributes:
      name: path in the parameters.
      kind: class of the layer.
      output_shape: without the batch.
      parameters: number of trained values.
      flops: additions and multiplications of the forward pass, of convolutions and the head; a
        multiply-add counts as two. Norms, activations and additions count as none, as is usual.
      output_bytes: of the output, which training keeps until the backward pass; 0 of a layer that
        hands on its parameters alone.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    flops: int
    output_bytes: int


def layers(model: ResNet, image_shape: tuple[int, int, int]) -> list[Layer]:
    """Returns the layers in the order in which they compute; nothing is computed or allocated.

    A layer is a module that has parameters of its own, whatever its class, so that all parameters
    of the network are counted. Those of modules that are used by another method than `__call__`
    stand at the end.
    """
    found: list[Layer] = []
    counted: set[tuple[str, ...]] = set()

    def record(next_function: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext):
        output = next_function(*args, **kwargs)
        module = context.module
        own = _own_parameters(module) if context.method_name == "__call__" else {}
        if own:
            found.append(_layer(module, own, output if args else None))
            counted.update((*module.path, name) for name in own)
        return output

    unrolled = model.clone(scan_blocks=False)
    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    with nn.intercept_methods(record):
        made = jax.eval_shape(lambda x: unrolled.init(jax.random.key(0), x, train=False), image)
    for keys, leaf in jax.tree_util.tree_leaves_with_path(made["params"]):
        path = tuple(key.key for key in keys)
        if path not in counted:
            found.append(Layer("/".join(path), "parameter", (), leaf.size, 0, 0))
    return found


def _own_parameters(module: nn.Module) -> dict[str, Any]:
    """The module's own arrays, without those of the modules inside it."""
    params = module.variables.get("params", {})
    return {name: leaf for name, leaf in params.items() if not isinstance(leaf, Mapping)}


def _layer(module: nn.Module, params: dict[str, Any], output: Any) -> Layer:
    shape = () if output is None else output.shape[1:]
    macs = 0
    if "kernel" in params:
        # Every output value sums over all axes of the kernel but the last, the features; a kernel
        # over channels has one axis.
        axes = params["kernel"].shape
        macs = int(np.prod(shape)) * int(np.prod(axes[:-1] if len(axes) > 1 else axes))
    return Layer(
        name="/".join(module.path),
        kind=type(module).__name__,
        output_shape=shape,
        parameters=sum(leaf.size for leaf in jax.tree.leaves(params)),
        flops=2 * macs,
        output_bytes=0 if output is None else output.size * output.dtype.itemsize,
    )


def kept_bytes(layers: Sequence[Layer], remat: str) -> int:
    """Bytes of one image's layer outputs that a step holds at once.

    Without rematerialisation all outputs are kept for the backward pass. With it, each block or
    stage keeps its last output alone, and the largest one holds all of its outputs while they are
    computed again.

    Args:
      remat: see models.resnet.ResNet; or 'reversible', which keeps the last output of a stage and
        computes a block at a time.
    """
    kept, held = {"stage": (1, 1), "block": (2, 2), "reversible": (1, 2)}.get(remat, (0, 0))
    outputs = sum(group[-1] for group in _grouped(layers, kept))
    return outputs + max(sum(group[:-1]) for group in _grouped(layers, held))


def _grouped(layers: Sequence[Layer], depth: int) -> list[list[int]]:
    """Bytes of the layers' outputs, grouped by the first `depth` names of paths in stages."""
    groups: dict[str, list[int]] = {}
    for number, layer in enumerate(layer for layer in layers if layer.output_bytes):
        path = layer.name.split("/")
        inside = depth and path[0].startswith("stage")
        group = "/".join(path[:depth]) if inside else str(number)
        groups.setdefault(group, []).append(layer.output_bytes)
    return list(groups.values())


def tree_bytes(tree: Any) -> int:
    """Bytes of all arrays of a tree, abstract or not."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
