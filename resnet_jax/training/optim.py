"""Optimizers as rows of data."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array
from optax.contrib import MuonDimensionNumbers, scale_by_muon

from resnet_jax.tables import Table, choose
from resnet_jax.tables.domains import BelowOne, Positive
from resnet_jax.training.decay import DECAY_RULES, decay_mask

Params = Any
# The part of a path behind which the parameters of scanned blocks are stacked.
SCANNED = jax.tree_util.DictKey("blocks")

# (learning rate of update k, weight decay) -> transformation of gradients into updates
Optimizer = Callable[[optax.Schedule, Any], optax.GradientTransformation]


class Numbers(NamedTuple):
    """The numbers in which runs of one compiled step may differ, beside their seeds.

    Attributes:
      rate: the peak of the learning rate.
    """

    rate: Any
    weight_decay: Any


class Update(NamedTuple):
    """The arguments that every optimizer takes beside its own options.

    Attributes:
      learning_rate: of update k.
      weight_decay: coefficient of the penalty or of the decoupled decay.
      decays: parameters -> a tree of booleans: which of them decay.
    """

    learning_rate: optax.Schedule
    weight_decay: float
    decays: Callable[[Params], Params]

    @staticmethod
    def all(params: Params) -> Params:
        """The tree that says of each parameter that it is meant."""
        return jax.tree.map(lambda _: True, params)

    def l2(self) -> optax.GradientTransformation:
        """Weight decay as the gradient of an L2 penalty, as PyTorch's SGD and Adam have it."""
        return optax.add_decayed_weights(self.weight_decay, self.decays)


def sgd(update: Update, momentum: BelowOne = 0.9) -> optax.GradientTransformation:
    """Momentum SGD, v = momentum v + g, with an L2 penalty."""
    return optax.chain(update.l2(), optax.sgd(update.learning_rate, momentum))


def nesterov(update: Update, momentum: BelowOne = 0.9) -> optax.GradientTransformation:
    """SGD with Nesterov's momentum and an L2 penalty."""
    return optax.chain(update.l2(), optax.sgd(update.learning_rate, momentum, nesterov=True))


def adam(
    update: Update, b1: BelowOne = 0.9, b2: BelowOne = 0.999, eps: Positive = 1e-8
) -> optax.GradientTransformation:
    """Adam (Kingma & Ba, arXiv 1412.6980) with an L2 penalty."""
    return optax.chain(update.l2(), optax.adam(update.learning_rate, b1, b2, eps))


def adamw(
    update: Update, b1: BelowOne = 0.9, b2: BelowOne = 0.999, eps: Positive = 1e-8
) -> optax.GradientTransformation:
    """Adam with decoupled decay, rate * decay * w (Loshchilov & Hutter, arXiv 1711.05101)."""
    return optax.adamw(
        update.learning_rate, b1, b2, eps, weight_decay=update.weight_decay, mask=update.decays
    )


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


OPTIMIZERS = Table(
    "optimizer",
    {
        "sgd": sgd,
        "nesterov": nesterov,
        "adam": adam,
        "adamw": adamw,
        "lars": lars,
        "lamb": lamb,
        "muon": muon,
    },
)


def optimizer(
    row: Callable[..., optax.GradientTransformation],
    *,
    decay_rule: str = "all",
    clip_norm: float | None = None,
) -> Optimizer:
    """Returns the optimizer of a run.

    Args:
      row: of OPTIMIZERS, its options set.
      decay_rule: a row of DECAY_RULES.
      clip_norm: gradients with a larger global norm are scaled down to it, before everything else.
    """
    rule = choose(DECAY_RULES, decay_rule, "optim.decay_rule")

    def chosen(learning_rate: optax.Schedule, weight_decay: Any) -> optax.GradientTransformation:
        update = Update(learning_rate, weight_decay, lambda params: decay_mask(rule, params))
        transformation = row(update)
        if clip_norm is not None:
            transformation = optax.chain(optax.clip_by_global_norm(clip_norm), transformation)
        return transformation

    return chosen


def scaled(
    transformation: optax.GradientTransformation, share_of: Callable[[Sequence[str]], float]
) -> optax.GradientTransformation:
    """The transformation with each parameter's update times its share; a share of 0 freezes it.

    An update contains the weight decay, so a frozen parameter does not decay either.

    Args:
      share_of: a parameter's path in the tree -> its share.
    """

    def update(updates: Params, state: optax.OptState, params: Params | None = None):
        updates, state = transformation.update(updates, state, params)

        def share(path: tuple, leaf: jax.Array) -> jax.Array:
            factor = share_of([key.key for key in path])
            return leaf if factor == 1 else factor * leaf

        return jax.tree_util.tree_map_with_path(share, updates), state

    return optax.GradientTransformation(transformation.init, update)
