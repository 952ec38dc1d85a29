"""Every connection of x and F(x) in networks of 20 and 56 layers; MLS-Bench's protocol."""

from resnet_jax.configs.mls_bench import BASELINES, FIRST, NETWORKS
from resnet_jax.models.connections.record import Shortcut
from resnet_jax.models.shortcuts import SHORTCUTS
from resnet_jax.sweeps.experiment import Row
from resnet_jax.tables import options_of

TITLE = "How should a block connect x and F(x)?"
SOURCE = "MLS-Bench, task dl-residual-connection: the best of 200 test accuracies, three seeds"
PUBLISHED_SCALE, PUBLISHED_OF = "protocol", "best_test_error"
BASES = {
    "paper": "cifar10:arrangement=full_preactivation",
    "small": "cifar10_small:arrangement=full_preactivation,optim.rate=0.025",
    "smoke": "smoke:arrangement=full_preactivation,train.steps=8",
    "protocol": "mls_bench",
}
SEEDS = {"paper": 5, "small": 5, "smoke": 1, "protocol": 3}
DEPTHS = {"paper": (20, 56, 110), "small": (20, 56), "smoke": (8,), "protocol": ()}
OTHERS = {"residual": "shortcut=B", "plain": "shortcut=none", "SkipInit": "branch_gain=0.0",
          "stochastic depth": "survival=0.8", "static hyper": "shortcut=hyper,dynamic=False,ends=B",
          "attention, 3 groups": "shortcut=attention,groups=3,ends=B"}  # fmt: skip
ROWS = {name: row for name, row in SHORTCUTS.items() if not isinstance(row, Shortcut)}
ENDS = {name: ",ends=B" * ("ends" in options_of(row)) for name, row in ROWS.items()}
CONNECTIONS = {**OTHERS, **{name: f"shortcut={name}{ends}" for name, ends in ENDS.items()}}


def own(scale, changes, name="own", errors=(None,) * 3):
    for depth in DEPTHS[scale]:
        yield Row(f"{name} {depth}", f"depth={depth},{changes}", against=f"residual {depth}")
    for net, error in zip(NETWORKS, errors, strict=True) if scale == "protocol" else ():
        yield Row(f"{name}, {net}", f"network={net},{changes}", error, f"{FIRST}, {net}")


def rows(scale):
    for name, (changes, errors) in BASELINES.items() if scale == "protocol" else ():
        yield from own(scale, changes, name, errors)
    for name, changes in CONNECTIONS.items() if scale != "protocol" else ():
        yield from own(scale, changes, name)
