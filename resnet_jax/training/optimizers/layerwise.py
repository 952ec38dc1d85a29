"""Optimizers that treat a layer's kernel as one vector or one matrix."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array
from optax.contrib import MuonDimensionNumbers, scale_by_muon

from resnet_jax.tables.domains import BelowOne, Positive
from resnet_jax.training.optimizers.update import SCANNED, Params, Update


def lars(
    update: Update, momentum: BelowOne = 0.9, trust: Positive = 0.001
) -> optax.GradientTransformation:
    """LARS (You et al., arXiv 1708.03888, algorithm 1), with its local rate for what decays.

    v = momentum v + rate * trust |w| / (|g| + decay |w|) * (g + decay w). Parameters that don't
    decay keep the plain rate. timm's Lars has the rate outside of the momentum.
    """
    decay = update.weight_decay

    def local(w: Array, g: Array, size: Array, gradient: Array) -> Array:
        ratio = trust * size / (gradient + decay * size)
        return jnp.where((size > 0) & (gradient > 0), ratio, 1) * (g + decay * w)

    return optax.chain(
        _layerwise(local, update.decays),
        optax.scale_by_learning_rate(update.learning_rate),
        optax.trace(momentum),
    )


def lamb(
    update: Update,
    b1: BelowOne = 0.9,
    b2: BelowOne = 0.999,
    eps: Positive = 1e-6,
    adapt_all: bool = True,
) -> optax.GradientTransformation:
    """LAMB (You et al., arXiv 1904.00962).

    Args:
      adapt_all: as in the paper; without it, parameters that don't decay get a trust ratio of 1, as
        in timm's code for 'ResNet strikes back'.
    """

    def trusted(w: Array, r: Array, size: Array, direction: Array) -> Array:
        return jnp.where((size > 0) & (direction > 0), size / direction, 1) * r

    return optax.chain(
        optax.scale_by_adam(b1, b2, eps),
        optax.add_decayed_weights(update.weight_decay, update.decays),
        _layerwise(trusted, update.all if adapt_all else update.decays),
        optax.scale_by_learning_rate(update.learning_rate),
    )


def _layerwise(
    rule: Callable[[Array, Array, Array, Array], Array], adapts: Callable[[Params], Params]
) -> optax.GradientTransformation:
    """Replaces each update u of a parameter w by `rule(w, u, |w|, |u|)`.

    Args:
      adapts: parameters -> a tree of booleans: which updates are replaced.
    """

    def change(updates: Params, state: optax.OptState, params: Params | None = None):
        def changed(path: tuple, w: Array, u: Array, adapt: bool) -> Array:
            if not adapt:
                return u
            # Scanned blocks have a leading axis; each is a layer of its own.
            axes = tuple(range(SCANNED in path, w.ndim))
            sizes = (jnp.sqrt((x * x).sum(axes, keepdims=True)) for x in (w, u))
            return rule(w, u, *sizes)

        return jax.tree_util.tree_map_with_path(changed, params, updates, adapts(params)), state

    return optax.GradientTransformation(optax.init_empty_state, change)


def muon(
    update: Update,
    momentum: BelowOne = 0.95,
    b1: BelowOne = 0.9,
    b2: BelowOne = 0.999,
    eps: Positive = 1e-8,
) -> optax.GradientTransformation:
    """Muon (Jordan et al., 2024) for all kernels of convolutions but the network's first.

    AdamW is for that one and for everything else (README of KellerJordan/Muon). A kernel is the
    matrix from its patches to its features, also where its channels stand in groups, as in that
    code. Its update is made as large as Adam's, so that one rate and one decoupled decay serve both
    (Liu et al., arXiv 2502.16982, section 2.2).
    """
    # Counted from the end: scanned blocks have a leading axis.
    patches_to_features = MuonDimensionNumbers((-4, -3, -2), -1)

    def methods(params: Params) -> Params:
        first = min(
            (name for name in params if name.startswith("stem_conv")), key=_place, default=""
        )

        def method(path: tuple, leaf: Array) -> str:
            return "muon" if leaf.ndim >= 4 and path[0].key != first else "adam"

        return jax.tree_util.tree_map_with_path(method, params)

    def as_large_as_adams(direction: Array) -> Array:
        *_, rows, columns, inputs, features = direction.shape
        return 0.2 * max(rows * columns * inputs, features) ** 0.5 * direction

    orthogonal = optax.chain(
        scale_by_muon(
            beta=momentum,
            eps=eps,
            weight_dimension_numbers=partial(jax.tree.map, lambda _: patches_to_features),
        ),
        optax.stateless_with_tree_map(lambda direction, _: as_large_as_adams(direction)),
    )
    return optax.chain(
        optax.partition({"muon": orthogonal, "adam": optax.scale_by_adam(b1, b2, eps)}, methods),
        optax.add_decayed_weights(update.weight_decay, update.decays),
        optax.scale_by_learning_rate(update.learning_rate),
    )


def _place(name: str) -> tuple[bool, str]:
    """Orders stem_conv1, stem_conv2, stem_conv, as they follow each other in a stem."""
    return name == "stem_conv", name
