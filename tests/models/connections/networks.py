"""Small networks with each of the connections, and what these need beside them."""

import jax
import numpy as np
import pytest

from resnet_jax.models.building import resnet
from resnet_jax.models.connections.record import Shortcut
from resnet_jax.models.shortcuts import SHORTCUTS

CONNECTIONS = [name for name, row in SHORTCUTS.items() if not isinstance(row, Shortcut)]
SCANNED = [name for name in CONNECTIONS if SHORTCUTS[name].scans]
# Those whose tests are not slow.
FEW = ("orthogonal", "hyper", "attention", "reversible")
# The stem's channels are the two halves of the reversible pair.
BESIDE = {"reversible": {"stem_width": 8}}
IMAGES = (4, 6, 6, 3)


def network(shortcut, **changes):
    name = shortcut if isinstance(shortcut, str) else shortcut["name"]
    after = SHORTCUTS[name].after
    return resnet(
        family="cifar",
        shortcut=shortcut,
        **{
            "classes": 2,
            "stage_depths": (3, 2),
            "widths": (4, 6),
            "stem_width": 4,
            "arrangement": "original" if after else "full_preactivation",
            **BESIDE.get(name, {}),
            **changes,
        },
    )


def step(model, variables, images, params):
    """Loss, statistics and gradients of one step of training."""

    def loss(params):
        logits, state = model.apply(
            {**variables, "params": params},
            images,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(3)},
        )
        return (logits * np.arange(2)[None]).sum(), (logits, state)

    return jax.value_and_grad(loss, has_aux=True)(params)


def each(names=CONNECTIONS, few=FEW):
    """The names as parameters of a test, of which a few are not slow."""
    return [pytest.param(name, marks=[pytest.mark.slow] * (name not in few)) for name in names]
