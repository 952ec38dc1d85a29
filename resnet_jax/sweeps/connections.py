"""The changes of a configuration that choose each connection of x and F(x)."""

from resnet_jax.models.connections.record import Shortcut
from resnet_jax.models.published.normaliser_free import GAINS
from resnet_jax.models.shortcuts import SHORTCUTS
from resnet_jax.tables import options_of

# What else the network of a connection has in its paper.
AS_PUBLISHED = {
    "decayed_identity": "zero_init_branch=True",
    "normaliser_free": (
        "norm.name=affine,arrangement=relu_only_preactivation,activate_identity=False,"
        f"weight_epsilon=1e-5,weight_gain={GAINS['relu']},ends=D"
    ),
    "deep_norm": "arrangement=bn_after_addition",
    "resnet_in_resnet": "arrangement=bn_after_addition",
    "weighted": "arrangement=relu_before_addition",
}


def connections(ends: str) -> dict[str, str]:
    """The changes by the names of the rows, with what else belongs to them.

    Args:
      ends: the shortcut where a block changes the shape.
    """
    found = {}
    for name, row in SHORTCUTS.items():
        if not isinstance(row, Shortcut):
            chosen = [f"shortcut={name}"] + [f"ends={ends}"] * ("ends" in options_of(row))
            found[name] = ",".join([*chosen, *filter(None, [AS_PUBLISHED.get(name)])])
    return found
