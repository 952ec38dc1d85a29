"""The methods of compression by their names; a row's keyword parameters are its options."""

import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array
from safetensors.numpy import save

from resnet_jax.analysis import counts
from resnet_jax.analysis.subject import Subject, evaluator, initial_variables, logits
from resnet_jax.compression.folding import fold
from resnet_jax.compression.learning import Taught, distillation, learn
from resnet_jax.compression.pruning import magnitude_mask, masked, without_channels
from resnet_jax.compression.quantisation import (
    apply_quantised,
    apply_rounded,
    quantised,
    tensors,
)
from resnet_jax.data.contract import Data
from resnet_jax.models.resnet import ResNet
from resnet_jax.reporting.files import replace
from resnet_jax.tables.domains import Positive, PositiveInt, Share

Tree = Any


class Smaller(NamedTuple):
    """A network after compression.

    Attributes:
      apply: (variables, images) -> logits, in evaluation.
      tensors: the arrays that a file of the network holds, by their names.
      flops: arithmetic for one image, without the products that are known to be zero.
    """

    apply: Callable[[Tree, Array], Array]
    variables: Tree
    tensors: dict[str, Array]
    parameters: int
    flops: int


def _whole(model: ResNet, variables: Tree, subject: Subject) -> Smaller:
    layers = counts.layers(model, subject.image_shape)
    return Smaller(
        partial(logits, model),
        variables,
        _flat(variables),
        sum(layer.parameters for layer in layers),
        sum(layer.flops for layer in layers),
    )


def _flat(variables: Tree) -> dict[str, Array]:
    return {
        "/".join(key.key for key in path): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(variables)
    }


def folded(subject: Subject, data: Data) -> Smaller:
    """Folds batch norms into convolutions; the network computes the same function."""
    return _whole(*fold(subject.model, subject.variables), subject)


def magnitude(
    subject: Subject,
    data: Data,
    kept: Share = 0.25,
    steps: PositiveInt = 300,
    rate: Positive = 0.01,
) -> Smaller:
    """The largest share of the kernels' values stays, and learns on.

    Args:
      kept: share that stays.
      steps: updates after pruning, or from the teacher.
      rate: learning rate of those updates, which falls to zero.
    """
    mask = magnitude_mask(subject.variables["params"], kept)
    start = {**subject.variables, "params": masked(subject.variables["params"], mask)}
    found = learn(subject.model.apply, start, data, steps=steps, rate=rate, mask=mask,
                  seed=subject.seed)  # fmt: skip
    whole = _whole(subject.model, found, subject)
    shares = {"/".join(key.key for key in path[:-1]): float(leaf.mean())
              for path, leaf in jax.tree_util.tree_leaves_with_path(mask)
              if path[-1].key == "kernel"}  # fmt: skip
    flops = sum(
        layer.flops * shares.get(layer.name, 1)
        for layer in counts.layers(subject.model, subject.image_shape)
    )
    return whole._replace(
        parameters=int(sum(leaf.sum() for leaf in jax.tree.leaves(mask))), flops=round(flops)
    )


def structured(
    subject: Subject,
    data: Data,
    kept: Share = 0.25,
    steps: PositiveInt = 300,
    rate: Positive = 0.02,
) -> Smaller:
    """Channels inside of blocks are taken out, and the rest learns on."""
    model, start = without_channels(subject.model, subject.variables, kept)
    found = learn(model.apply, start, data, steps=steps, rate=rate, seed=subject.seed)
    return _whole(model, found, subject)


def distilled(
    subject: Subject,
    data: Data,
    depths: PositiveInt = 1,
    steps: PositiveInt = 600,
    rate: Positive = 0.1,
    temperature: Positive = 4.0,
    share: Share = 0.9,
    consistent: bool = True,
) -> Smaller:
    """A new network with `depths` blocks in each stage learns from this one.

    Args:
      depths: blocks in each stage of the student.
      temperature: divides the logits of both; see learning.distillation.
      share: of the teacher in the loss; 1 is function matching (Beyer et al.).
      consistent: the teacher sees the same crop as the student; see learning.Taught.
    """
    student = subject.model.clone(stage_depths=(depths,) * len(subject.model.stage_depths))
    teacher = partial(logits, subject.model)
    found = learn(
        student.apply,
        initial_variables(student, subject.image_shape, subject.seed),
        Taught(data, teacher, subject.variables, consistent=consistent),
        steps=steps,
        rate=rate,
        seed=subject.seed,
        objective=distillation(temperature, share),
    )
    return _whole(student, found, subject)


def int8(subject: Subject, data: Data) -> Smaller:
    """Folds the network and quantises it after training."""
    return _quantised(*fold(subject.model, subject.variables), subject)


def int8_aware(
    subject: Subject, data: Data, steps: PositiveInt = 200, rate: Positive = 0.005
) -> Smaller:
    """The folded network learns on with rounded weights and activations, then is quantised."""
    model, variables = fold(subject.model, subject.variables)
    apply = partial(apply_rounded, model)
    found = learn(apply, variables, data, steps=steps, rate=rate, seed=subject.seed)
    return _quantised(model, found, subject)


def _quantised(model: ResNet, variables: Tree, subject: Subject) -> Smaller:
    params = quantised(variables["params"])
    whole = _whole(model, variables, subject)
    return whole._replace(
        apply=partial(apply_quantised, model), variables=params, tensors=tensors(params)
    )


METHODS: dict[str, Callable[..., Smaller]] = {
    "fold": folded,
    "magnitude": magnitude,
    "structured": structured,
    "distil": distilled,
    "int8": int8,
    "int8_aware": int8_aware,
}


def original(subject: Subject) -> Smaller:
    """The network without compression."""
    return _whole(subject.model, subject.variables, subject)


def figures(network: Smaller, subject: Subject, examples: int, repeats: int = 10) -> dict[str, Any]:
    """Accuracy on test images, size, arithmetic, and milliseconds for one image on this machine.

    `bytes` is the size of a .safetensors file. `packed_bytes` is its size after zlib, which packs
    zeros into almost nothing.
    """
    content = save({name: np.asarray(leaf) for name, leaf in network.tensors.items()})
    scores = evaluator(network.apply, subject.examples("test", examples))(network.variables)
    return {
        "top1": scores["top1"],
        "loss": scores["loss"],
        "parameters": network.parameters,
        "flops": network.flops,
        "bytes": len(content),
        "packed_bytes": len(zlib.compress(content, 9)),
        "milliseconds": 1e3 * _seconds(network, subject, repeats),
    }


def _seconds(network: Smaller, subject: Subject, repeats: int) -> float:
    """The median time of a forward pass of one image."""
    run = jax.jit(network.apply)
    image = jax.numpy.zeros((1, *subject.image_shape))
    jax.block_until_ready(run(network.variables, image))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(run(network.variables, image))
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def write(network: Smaller, path: Path) -> None:
    """Writes the tensors as .safetensors under their own names."""
    replace(path, save({name: np.asarray(leaf) for name, leaf in network.tensors.items()}))
