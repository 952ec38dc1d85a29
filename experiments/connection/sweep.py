"""Every connection of x and F(x) in networks of 20 and 56 layers; MLS-Bench's protocol."""

from resnet_jax.configs.mls_bench import BASELINES, FIRST, NETWORKS
from resnet_jax.sweeps.connections import connections
from resnet_jax.sweeps.experiment import Row

TITLE = "How should a block connect x and F(x)?"
SOURCE = "MLS-Bench, task dl-residual-connection: the best of 200 test accuracies, three seeds"
PUBLISHED_SCALE, PUBLISHED_OF = "protocol", "best_test_error"
PREACTIVATED = "arrangement=branch_preactivation,shortcut=B"
HALF = "data.train_split=train[:3750],train.batch_size=16,optim.rate=0.0125"
BASES = {"paper": f"cifar10:{PREACTIVATED}",
         "small": f"cifar10_small:{PREACTIVATED},{HALF}", "protocol": "mls_bench",
         "smoke": f"smoke:{PREACTIVATED},train.steps=8"}  # fmt: skip
SEEDS = {"paper": 5, "small": 5, "smoke": 1, "protocol": 3}
DEPTHS = {"paper": (20, 56, 110), "small": (20, 56), "smoke": (8,), "protocol": ()}
# What a row is compared with, by the arrangement that it has in place of the others'.
BASELINE = {"arrangement=bn_after_addition": "residual, norm after",
            "arrangement=relu_before_addition": "residual, ReLU before"}  # fmt: skip
OTHERS = {"residual": "shortcut=B", "residual, wider": "width_factor=1.4", "plain": "shortcut=none",
          **{name: changes for changes, name in BASELINE.items()},
          "SkipInit": "branch_gain=0.0", "stochastic depth": "survival=0.5,drop_whole_batch=True",
          "stochastic depth of images": "survival=0.8",
          "static hyper": "shortcut=hyper,dynamic=False,ends=B",
          "attention, 3 groups": "shortcut=attention,groups=3,ends=B"}  # fmt: skip


def own(scale, changes, name="own", errors=(None,) * 3):
    against = next((row for part, row in BASELINE.items() if part in changes), "residual")
    for depth in DEPTHS[scale]:
        yield Row(f"{name} {depth}", f"depth={depth},{changes}", against=f"{against} {depth}")
    for net, error in zip(NETWORKS, errors, strict=True) if scale == "protocol" else ():
        yield Row(f"{name}, {net}", f"network={net},{changes}", error, f"{FIRST}, {net}")


def rows(scale):
    every = {name: (changes,) for name, changes in {**OTHERS, **connections("B")}.items()}
    for name, row in (BASELINES if scale == "protocol" else every).items():
        yield from own(scale, row[0], name, *row[1:])
