"""Rules that say which parameters decay."""

import re
from collections.abc import Sequence
from typing import Any

import jax

from resnet_jax.tables import UserError

Params = Any

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
        # Learned numbers of connections: gates, weights and mixtures of streams.
        (r"numbers", False),
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
