"""What any optimizer's gradients can go through, and where they can be taken."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from resnet_jax.tables import Table
from resnet_jax.tables.domains import Positive
from resnet_jax.training.optimizers.update import SCANNED, Params

# (transformation of gradients) -> one whose gradients are taken elsewhere
Ascent = Callable[[optax.GradientTransformation], optax.GradientTransformationExtraArgs]


def adaptive(
    clipping: Positive = 0.01, epsilon: Positive = 1e-3, spares_head: bool = True
) -> optax.GradientTransformation:
    """Adaptive gradient clipping: |g| is at most clipping * max(|w|, epsilon) for each unit.

    AGC, Brock et al., arXiv 2102.06171, section 4.1. The kernel of one output channel is a unit,
    and so is every vector.

    Args:
      epsilon: the norm that a unit has at least, so that one that starts at zero can move.
      spares_head: the head's gradients stay as they are, as in the paper.
    """
    clip = optax.adaptive_grad_clip(clipping, epsilon)

    def update(updates: Params, state: optax.OptState, params: Params | None = None):
        def clipped(path: tuple, gradient: jax.Array, weight: jax.Array) -> jax.Array:
            if spares_head and path[0].key == "head":
                return gradient

            def one(gradient: jax.Array, weight: jax.Array) -> Any:
                return clip.update(gradient, optax.EmptyState(), weight)[0]

            # Scanned blocks have a leading axis; each has units of its own.
            return (jax.vmap(one) if SCANNED in path else one)(gradient, weight)

        return jax.tree_util.tree_map_with_path(clipped, updates, params), state

    return optax.GradientTransformation(optax.init_empty_state, update)


CLIPS = Table("gradient clip", {"adaptive": adaptive})


def sam(radius: Positive = 0.05) -> Ascent:
    """Sharpness-aware minimisation: the gradient is that at w + radius g / |g|.

    Foret et al., arXiv 2010.01412, equations 2 and 3. A step computes two gradients of the same
    batch; running averages of norms are those of the first, at w.
    """

    def ascent(optimizer: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
        def uphill(gradients: Params, params: Params | None = None) -> Params:
            # Where all gradients are zero there is no way up. SAM of Optax goes against this.
            share = -radius / jnp.maximum(optax.tree.norm(gradients), 1e-12)
            return jax.tree.map(lambda gradient: share * gradient, gradients)

        return optax.contrib.sam(optimizer, optax.stateless(uphill), opaque_mode=True)

    return ascent


ASCENTS = Table("ascent", {"sam": sam})
