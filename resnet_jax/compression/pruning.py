"""Prunes weights: sets single ones to zero, or takes whole channels out."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from resnet_jax.analysis.blocks import names
from resnet_jax.models.resnet import ResNet
from resnet_jax.tables import UserError, options_of

Tree = Any


def magnitude_mask(params: Tree, kept: float) -> Tree:
    """True for the kernels' values that stay: of all kernels, the share `kept` largest in size.

    Han et al., arXiv 1506.02626, section 3. Biases and the parameters of norms all stay.
    """
    kernels = [leaf for leaf in jax.tree.leaves(params) if leaf.ndim > 1]
    sizes = np.sort(np.concatenate([np.abs(np.asarray(leaf)).ravel() for leaf in kernels]))
    count = max(1, round(kept * len(sizes)))
    threshold = sizes[len(sizes) - count]
    return jax.tree.map(
        lambda leaf: jnp.abs(leaf) >= threshold if leaf.ndim > 1 else jnp.ones(leaf.shape, bool),
        params,
    )


def masked(params: Tree, mask: Tree) -> Tree:
    """The parameters with zeros where the mask is False."""
    return jax.tree.map(lambda leaf, keep: jnp.where(keep, leaf, 0), params, mask)


def without_channels(model: ResNet, variables: Tree, kept: float) -> tuple[ResNet, Tree]:
    """The network with the share `kept` of the channels inside of every block.

    The outputs with the smallest kernels are taken out of all convolutions of a block except its
    last. A kernel's size is the sum of its absolute values (Li et al., arXiv 1608.08710, section
    3.1), scaled as its batch norm scales the output. The width of a block's own output stays, since
    shortcuts add to it.

    Args:
      variables: unrolled.

    Raises:
      UserError: blocks of a stage differ in width, hold blocks or several branches, convolutions
        have groups, or norms are of another kind than batch norm.
    """
    if model.block_widths:
        raise UserError(
            "channels can be taken out of stages whose blocks are equally wide: leave out"
            " model.widening"
        )
    if model.stage_branches or model.block.branch.repeats > 1:
        raise UserError("channels can be taken out of basic, bottleneck and wide branches alone")
    if model.block.shortcut.branches > 1:
        raise UserError(
            "channels can be taken out of blocks with one branch, and this model.shortcut has"
            f" {model.block.shortcut.branches}"
        )
    if any(spec.compound for spec in model.block.branch.convolutions):
        raise UserError(
            "channels can be taken out of single convolutions, and this model.branch has several in"
            " the place of one: choose another, as bottleneck"
        )
    if any(s.groups > 1 or s.group_width for s in model.block.branch.convolutions):
        raise UserError("channels of convolutions in groups can't be taken out one by one")
    norm, arrangement = model.layers.norm, model.block.arrangement
    if not (norm.folds or norm.absent):
        raise UserError(
            "channels can be taken out of networks with batch norm or without norms, and this one"
            " has another norm.name"
        )
    epsilon = options_of(norm).get("epsilon", 0.0)
    *inner, last = model.block.branch.convolutions
    thinner = model.block.branch._replace(
        convolutions=(*(c._replace(multiplier=c.multiplier * kept) for c in inner), last)
    )
    result = jax.tree.map(lambda leaf: leaf, variables)
    for name in names(model):
        stage, block = name.path
        nodes = {kind: tree[stage][block] for kind, tree in result.items()
                 if block in tree.get(stage, {})}  # fmt: skip
        width = model.stage_widths[name.stage - 1]
        for number, spec in enumerate(thinner.convolutions[:-1], start=1):
            count = spec.features(width, nodes["params"]["conv1"]["kernel"].shape[2])
            _thin(nodes, number, count, bool(arrangement.lead), epsilon)
    return model.clone(block=replace(model.block, branch=thinner)), result


def _thin(nodes: dict[str, Tree], number: int, count: int, leads: bool, epsilon: float) -> None:
    """Takes all but `count` outputs out of a block's convolution, in place."""
    params, this, following = nodes["params"], f"conv{number}", f"conv{number + 1}"
    # In a pre-activated branch, the norm before the next convolution normalises these outputs.
    norm = f"norm{number + 1}" if leads else f"norm{number}"
    sizes = jnp.abs(params[this]["kernel"]).sum(axis=(0, 1, 2))
    if norm in params:
        variance = nodes["batch_stats"][norm]["var"]
        scale = params[norm].get("scale", jnp.ones_like(variance))
        sizes = sizes * jnp.abs(scale) / jnp.sqrt(variance + epsilon)
    chosen = np.sort(np.argsort(-np.asarray(sizes), kind="stable")[:count])
    params[this] = {key: leaf[..., chosen] for key, leaf in params[this].items()}
    kernel = params[following]["kernel"][:, :, chosen]
    params[following] = {**params[following], "kernel": kernel}
    for tree in nodes.values():
        if norm in tree:
            tree[norm] = {key: leaf[chosen] for key, leaf in tree[norm].items()}
