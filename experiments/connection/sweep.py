"""Every connection of x and F(x) in networks of 20 and 56 layers; MLS-Bench's protocol."""

from resnet_jax.configs.mls_bench import BASELINES, FIRST, NETWORKS
from resnet_jax.models.connections.record import Shortcut
from resnet_jax.models.published.normaliser_free import GAINS
from resnet_jax.models.shortcuts import SHORTCUTS
from resnet_jax.sweeps.experiment import Row
from resnet_jax.tables import options_of

TITLE = "How should a block connect x and F(x)?"
SOURCE = "MLS-Bench, task dl-residual-connection: the best of 200 test accuracies, three seeds"
PUBLISHED_SCALE, PUBLISHED_OF = "protocol", "best_test_error"
BASES = {
    "paper": "cifar10:arrangement=branch_preactivation,shortcut=B",
    "small": "cifar10_small:arrangement=branch_preactivation,shortcut=B,optim.rate=0.025",
    "smoke": "smoke:arrangement=branch_preactivation,shortcut=B,train.steps=8",
    "protocol": "mls_bench",
}
SEEDS = {"paper": 5, "small": 5, "smoke": 1, "protocol": 3}
DEPTHS = {"paper": (20, 56, 110), "small": (20, 56), "smoke": (8,), "protocol": ()}

NORM_AFTER, RELU_BEFORE = "residual, norm after", "residual, ReLU before"
FREE = "norm.name=affine,arrangement=relu_only_preactivation,activate_identity=False"
# What a row needs beside its connection, mostly as published; and the row it is compared with.
BESIDE = {
    "decayed_identity": ("zero_init_branch=True", "residual"),
    "normaliser_free": (
        f"{FREE},weight_epsilon=1e-5,weight_gain={GAINS['relu']},ends=D",
        "residual",
    ),
    "deep_norm": ("arrangement=bn_after_addition", NORM_AFTER),
    "resnet_in_resnet": ("arrangement=bn_after_addition", NORM_AFTER),
    "weighted": ("arrangement=relu_before_addition", RELU_BEFORE),
}
OTHERS = {
    "residual": "",
    "residual, wider": "width_factor=1.4",  # the arithmetic of two branches
    "plain": "shortcut=none",
    NORM_AFTER: "arrangement=bn_after_addition",
    RELU_BEFORE: "arrangement=relu_before_addition",
    "SkipInit": "branch_gain=0.0",
    "stochastic depth": "survival=0.5,drop_whole_batch=True",
    "stochastic depth of images": "survival=0.8",
    "static hyper": "shortcut=hyper,dynamic=False,ends=B",
    "attention, 3 groups": "shortcut=attention,groups=3,ends=B",
}


def own(scale, changes, name="own", errors=(None,) * 3, against="residual"):
    for depth in DEPTHS[scale]:
        yield Row(f"{name} {depth}", f"depth={depth},{changes}", against=f"{against} {depth}")
    for net, error in zip(NETWORKS, errors, strict=True) if scale == "protocol" else ():
        yield Row(f"{name}, {net}", f"network={net},{changes}", error, f"{FIRST}, {net}")


def rows(scale):
    if scale == "protocol":
        for name, (changes, errors) in BASELINES.items():
            yield from own(scale, changes, name, errors)
        return
    for name, changes in OTHERS.items():
        yield from own(scale, changes, name)
    for name, row in SHORTCUTS.items():
        if not isinstance(row, Shortcut):
            beside, against = BESIDE.get(name, ("", "residual"))
            ends = "ends=B" if "ends" in options_of(row) and "ends" not in beside else ""
            changes = ",".join(filter(None, (f"shortcut={name}", beside, ends)))
            yield from own(scale, changes, name, against=against)
