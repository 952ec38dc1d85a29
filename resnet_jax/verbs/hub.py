"""Lists the weights that timm released for a network: python -m resnet_jax hub resnet50.

NAME may be a pattern, as 'resnetv2_*'. The list is part of the package, and nothing is asked of the
hub. Each line is what --weights, init.weights and models.load take.
"""

from typing import Any

from absl import flags

FLAGS = flags.FlagValues()


def main(name: str) -> dict[str, Any]:
    """Prints a line for each file of weights, and returns their addresses."""
    from resnet_jax import models
    from resnet_jax.tables import UserError, nearest
    from resnet_jax.weights.hub import in_cache
    from resnet_jax.weights.pretrained import released
    from resnet_jax.weights.released import TAGS

    found = [other for other in models.names(name) if other in TAGS]
    if not found:
        if name in models.ROWS:
            raise UserError(f"timm released no weights for '{name}'{nearest(name, TAGS)}")
        raise UserError(
            f"no network is called '{name}'{nearest(name, models.ROWS)}: `resnet-jax hub '*'` lists"
            " all that have weights"
        )
    addresses = [released(other, tag) for other in found for tag in TAGS[other]]
    for address in addresses:
        print(f"{address}{'  in the cache' if in_cache(address) else ''}")
    return {"weights": addresses}
