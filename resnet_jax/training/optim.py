"""Optimizers as rows of data, and the rule that says which parameters decay."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import optax
from optax.contrib import MuonDimensionNumbers
from optax.contrib import muon as optax_muon

from resnet_jax.tables import Table, UserError, choose

Params = Any


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

    def l2(self) -> optax.GradientTransformation:
        """Weight decay as the gradient of an L2 penalty, as PyTorch's SGD and Adam have it."""
        return optax.add_decayed_weights(self.weight_decay, self.decays)


def sgd(update: Update, momentum: float = 0.9) -> optax.GradientTransformation:
    """Momentum SGD, v = momentum v + g, with an L2 penalty."""
    return optax.chain(update.l2(), optax.sgd(update.learning_rate, momentum))


def nesterov(update: Update, momentum: float = 0.9) -> optax.GradientTransformation:
    """SGD with Nesterov's momentum and an L2 penalty."""
    return optax.chain(update.l2(), optax.sgd(update.learning_rate, momentum, nesterov=True))


def adam(
    update: Update, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> optax.GradientTransformation:
    """Adam (Kingma & Ba, arXiv 1412.6980) with an L2 penalty."""
    return optax.chain(update.l2(), optax.adam(update.learning_rate, b1, b2, eps))


def adamw(
    update: Update, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> optax.GradientTransformation:
    """Adam with decoupled decay, rate * decay * w (Loshchilov & Hutter, arXiv 1711.05101)."""
    return optax.adamw(
        update.learning_rate, b1, b2, eps, weight_decay=update.weight_decay, mask=update.decays
    )


def lars(
    update: Update, momentum: float = 0.9, trust: float = 0.001
) -> optax.GradientTransformation:
    """LARS (You et al., arXiv 1708.03888); parameters that don't decay get a trust ratio of 1."""
    return optax.lars(
        update.learning_rate,
        update.weight_decay,
        weight_decay_mask=update.decays,
        trust_coefficient=trust,
        trust_ratio_mask=update.decays,
        momentum=momentum,
    )


def lamb(
    update: Update, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-6, adapt_all: bool = True
) -> optax.GradientTransformation:
    """LAMB (You et al., arXiv 1904.00962).

    Args:
      adapt_all: as in the paper; without it, parameters that don't decay get a trust ratio of 1, as
        in timm's code for 'ResNet strikes back'.
    """
    trust = optax.scale_by_trust_ratio()
    return optax.chain(
        optax.scale_by_adam(b1, b2, eps),
        optax.add_decayed_weights(update.weight_decay, update.decays),
        trust if adapt_all else optax.masked(trust, update.decays),
        optax.scale_by_learning_rate(update.learning_rate),
    )


def muon(
    update: Update,
    momentum: float = 0.95,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> optax.GradientTransformation:
    """Muon (Jordan et al., 2024) for the kernels of convolutions, Nadam for everything else.

    A kernel is the matrix from its patches to its features. Its update is made as large as Adam's,
    so that one rate and one decoupled decay serve both (Liu et al., arXiv 2502.16982, section 2.2).
    """

    def matrices(params: Params) -> Params:
        # Counted from the end: scanned blocks have a leading axis.
        patches_to_features = MuonDimensionNumbers((-4, -3, -2), -1)
        return jax.tree.map(lambda leaf: patches_to_features if leaf.ndim >= 4 else None, params)

    direction = optax_muon(
        1.0, beta=momentum, adam_b1=b1, adam_b2=b2, eps=eps, consistent_rms=0.2,
        muon_weight_dimension_numbers=matrices,
    )  # fmt: skip
    return optax.chain(
        direction,
        optax.add_decayed_weights(-update.weight_decay, update.decays),
        optax.scale_by_schedule(update.learning_rate),
    )


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

# Each rule says of a parameter's path whether the parameter decays. The first pattern that matches
# the end of the path decides; a path that no pattern matches is an error.
DECAY_RULES: dict[str, Sequence[tuple[str, bool]]] = {
    # Every parameter, norms and biases too: fb.resnet.torch (its README says that the weights of
    # convolutions alone decay in 'Deep Residual Learning') and the code of Wide ResNet.
    "all": ((r".*", True),),
    # Kernels alone, the head's too: He et al., 'Bag of Tricks', arXiv 1812.01187, section 3.1.
    "kernels": (
        (r"kernel", True),
        (r"bias|scale|gain", False),
        # Parameters of EvoNorm and of filter response normalisation.
        (r"slope|threshold", False),
    ),
    # Everything but norms, so the head's bias too: torchvision's `--norm-weight-decay 0`.
    "but_norms": ((r"[^/]*norm[^/]*/[^/]+", False), (r".*", True)),
    # FFCV exempts what has 'bn' in its name; torchvision calls a projection's norm `downsample.1`.
    "ffcv": ((r"projection_norm/[^/]+", True), (r"[^/]*norm[^/]*/[^/]+", False), (r".*", True)),
}


def decay_mask(rule: Sequence[tuple[str, bool]], params: Params) -> Params:
    """Returns a tree of booleans: which parameters decay.

    Raises:
      UserError: the rule says nothing about a parameter.
    """

    def decays(path: Any, _: Any) -> bool:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        for pattern, answer in rule:
            if re.search(f"(^|/)({pattern})$", name):
                return answer
        raise UserError(
            f"the weight decay rule says nothing about parameter '{name}': add a pattern for it to"
            " DECAY_RULES"
        )

    return jax.tree_util.tree_map_with_path(decays, params)


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
