"""Folds batch norms into the convolutions before them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from resnet_jax.models.arrangements import CONVOLUTION, NORM
from resnet_jax.models.connections.ends import at_ends
from resnet_jax.models.norms import NORMS
from resnet_jax.models.resnet import ResNet
from resnet_jax.tables import UserError, options_of

Tree = Any


def fold(model: ResNet, variables: Tree) -> tuple[ResNet, Tree]:
    """Returns a network without norms that computes the same in evaluation.

    A convolution W x followed by the norm s (x - m) / sqrt(v + e) + b equals a convolution with the
    kernel W s / sqrt(v + e) and the bias b - m s / sqrt(v + e); a bias of the convolution is added
    to -m.

    Args:
      variables: unrolled.

    Raises:
      UserError: a norm does not follow one convolution, or is not a batch norm.
    """
    layers, arrangement = model.layers, model.block.arrangement
    if not layers.norm.folds:
        raise UserError(
            "only batch norms can be folded: this network has norm.name other than batch"
        )
    every = (arrangement.around(1, 2), arrangement.each, arrangement.last)
    follows = model.transition.folds and not model.head.normalises
    follows = follows and all(steps[:2] == (CONVOLUTION, NORM) for steps in every)
    if not follows or NORM in arrangement.after or layers.weight_epsilon is not None:
        raise UserError(
            "a norm can be folded where it follows a convolution, as in model.arrangement=original"
            " without standardised kernels, and here one does not"
        )
    if model.transition.pools and options_of(layers.norm)["scale"]:
        raise UserError(
            "a pool stands between a convolution and its norm, and no norm with a factor can be"
            " folded through maxima, since the factor may be negative: train with norm.scale=False,"
            " or with model.transition=block"
        )
    if not at_ends(model.block.shortcut).folds:
        raise UserError(
            "a norm can't be folded into two projections at once: choose other ends of this"
            " model.shortcut, as ends=B"
        )
    epsilon = options_of(layers.norm)["epsilon"]
    params = _folded(variables["params"], variables["batch_stats"], epsilon)
    return model.clone(layers=replace(layers, norm=NORMS["none"])), {"params": params}


def _folded(params: Mapping, statistics: Mapping, epsilon: float) -> dict:
    result = {}
    for name, node in params.items():
        if not isinstance(node, Mapping):
            result[name] = node
            continue
        if "mean" in statistics.get(name, {}):
            continue
        norm = f"{name}_norm" if name == "projection" else name.replace("conv", "norm")
        if "kernel" in node and norm in statistics:
            its, own = params[norm], statistics[norm]
            factor = its.get("scale", 1) / jnp.sqrt(own["var"] + epsilon)
            shape = (1,) * (node["kernel"].ndim - 1) + (-1,)
            result[name] = {
                "kernel": node["kernel"] * factor.reshape(shape),
                "bias": its["bias"] + (node.get("bias", 0) - own["mean"]) * factor,
            }
        elif "kernel" in node:
            # Without norms every convolution has a bias.
            bias = {"bias": jnp.zeros(node["kernel"].shape[-1])} if node["kernel"].ndim == 4 else {}
            result[name] = {**bias, **node}
        else:
            result[name] = _folded(node, statistics.get(name, {}), epsilon)
    return result
