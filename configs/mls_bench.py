"""The protocol of MLS-Bench's task dl-residual-connection (mls-bench.com), for blocks of any kind.

    python -m resnet_jax.main --config=configs/mls_bench.py:shortcut=fused
    python -m resnet_jax.main --config=configs/mls_bench.py:network=resnet110_cifar100
    python -m resnet_jax sweep experiments/connection --scale=protocol --dry_run

The task asks for a block that is better in three networks: ResNet-20 on CIFAR-10, ResNet-56 and
-110 on CIFAR-100. Its page states momentum SGD at 0.1 with momentum 0.9 and weight decay 5e-4, a
cosine over 200 epochs, crops of images padded by 4 and flips, three seeds, and the best test
accuracy. It does not state the batch size, the initial kernels or the pixels' means: 128 here, and
those of configs/cifar10.py and cifar100.py. As in PyTorch, everything decays and a batch shares
statistics. Nor does it state where the gates of its baselines start, or on what they act; a
learned factor of F, of 0.1 and, as in ReZero, of 0, is what BASELINES have.

Published: the best accuracies of three baselines, in BASELINES; 92.77% for gated residuals in
ResNet-20. `:synthetic` is the same on a few made-up images.
"""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import arguments, override
from resnet_jax.configs import cifar10, cifar100
from resnet_jax.tables import choose

NETWORKS = {
    "resnet20_cifar10": (cifar10, 20),
    "resnet56_cifar100": (cifar100, 56),
    "resnet110_cifar100": (cifar100, 110),
}
# The changes that make each baseline, and its published errors in the three networks, in percent:
# 100 less the accuracies on the task's page.
BASELINES = {
    "pre-activation, gate 0.1": (
        "arrangement=full_preactivation,branch_gain=0.1",
        (7.53, 28.00, 26.03),
    ),
    "gated residual": ("branch_gain=0.0", (7.23, 28.07, 26.61)),
    "dense shortcut": ("shortcut=fused", (8.56, 25.85, 24.19)),
}
FIRST = next(iter(BASELINES))


def get_config(changes: str = "") -> ConfigDict:
    own, changes = arguments(changes, network="resnet20_cifar10", synthetic=False)
    recipe, depth = choose(NETWORKS, own["network"], "network")
    config = recipe.get_config()
    config.model.depth = depth
    config.model.shortcut = "B"

    config.train.steps = None
    config.train.epochs = 200.0
    config.optim.rate = 0.1
    config.optim.weight_decay = 5e-4
    config.optim.decay_rule = "all"
    config.norm.group_size = None
    config.schedule.name = "cosine"
    del config.schedule.decay_at
    config.schedule.warmup_epochs = 0.0
    config.schedule.warmup = "gradual"
    config.schedule.warmup_start = 0.0
    config.eval.every_epochs = 1.0
    if own["synthetic"]:
        made_up(config)
    return override(config, changes)


def made_up(config: ConfigDict) -> None:
    """Sets four epochs of one narrow block a stage on 64 made-up images."""
    del config.data.name
    config.data.update(source="synthetic", image_size=8, classes=4, examples=64, pad=1)
    config.model.update(stage_depths=(1, 1), widths=(4, 8), stem_width=4)
    config.train.update(batch_size=16, epochs=4.0)
    config.report.update(every_steps=1, tensorboard=False)
