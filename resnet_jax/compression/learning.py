"""Training of a smaller network: after pruning, with rounded weights, or from a teacher."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from resnet_jax.compression.pruning import masked
from resnet_jax.data.contract import Data

Tree = Any
# (logits, batch, teacher's logits) -> one number an example.
Objective = Callable[[Array, Any, Array | None], Array]


def of_labels(logits: Array, batch: Any, teacher: Array | None) -> Array:
    """Cross-entropy with the classes of the examples."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels)


def distillation(temperature: float, share: float) -> Objective:
    """Cross-entropy with a teacher's softened probabilities (Hinton et al., arXiv 1503.02531, 2).

    Args:
      temperature: T, which divides the logits of both; gradients are scaled by T^2.
      share: of this in the objective; the rest is cross-entropy with the classes. 1 is function
        matching (Beyer et al., arXiv 2106.05237, section 3).
    """

    def objective(logits: Array, batch: Any, teacher: Array | None) -> Array:
        assert teacher is not None
        softened = divergence(logits / temperature, teacher / temperature)
        return share * temperature**2 * softened + (1 - share) * of_labels(logits, batch, None)

    return objective


def divergence(
    logits: Float[Array, "batch classes"], teacher: Float[Array, "batch classes"]
) -> Float[Array, "batch"]:
    """KL(teacher || student) in nats: zero where they agree."""
    log_teacher, log_student = jax.nn.log_softmax(teacher), jax.nn.log_softmax(logits)
    return (jnp.exp(log_teacher) * (log_teacher - log_student)).sum(axis=-1)


def learn(
    apply: Callable[..., Any],
    variables: Tree,
    data: Data,
    *,
    steps: int,
    rate: float,
    batch_size: int = 64,
    seed: int = 0,
    objective: Objective = of_labels,
    teacher: Callable[[Array], Array] | None = None,
    consistent: bool = True,
    mask: Tree | None = None,
) -> Tree:
    """SGD with momentum 0.9, weight decay 1e-4 and a cosine from `rate` to 0.

    Args:
      apply: (variables, images, train, mutable) -> logits and the changed batch statistics.
      teacher: images -> logits.
      consistent: the teacher sees the same crop as the student (Beyer et al., section 3), not the
        image as it is.
      mask: parameters that stay at zero where it is False.

    Returns:
      The variables after the last update.
    """
    optimizer = optax.chain(
        optax.add_decayed_weights(1e-4),
        optax.sgd(optax.cosine_decay_schedule(rate, steps), momentum=0.9),
    )
    statistics = variables.get("batch_stats", {})
    params = variables["params"]

    @partial(jax.jit, donate_argnums=0)
    def step(carry: Tree, arrays: Tree, picks: Any, key: Array) -> Tree:
        params, statistics, memory = carry
        batch = data.train_batch(arrays, picks, key)
        seen = batch if consistent else data.eval_batch(arrays, picks)
        taught = None if teacher is None else teacher(seen.images)

        def loss(params: Tree) -> tuple[Array, Tree]:
            logits, changed = apply(
                {"params": params, "batch_stats": statistics},
                batch.images,
                train=True,
                mutable=["batch_stats"],
            )
            return objective(logits, batch, taught).mean(), changed.get("batch_stats", statistics)

        gradients, statistics = jax.grad(loss, has_aux=True)(params)
        updates, memory = optimizer.update(gradients, memory, params)
        params = optax.apply_updates(params, updates)
        return (params if mask is None else masked(params, mask)), statistics, memory

    carry = jax.tree.map(jnp.copy, (params, statistics, optimizer.init(params)))
    arrays, keys = jax.device_put(data.arrays), jax.random.key(seed)
    for number in range(steps):
        picks = data.train_picks(seed, number, batch_size)
        carry = step(carry, arrays, picks, jax.random.fold_in(keys, number))
    params, statistics, _ = carry
    return {"params": params, "batch_stats": statistics} if statistics else {"params": params}
