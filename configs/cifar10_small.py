"""CIFAR-10 in minutes on a CPU: half the width, a seventh of the images, two epochs.

    python -m resnet_jax.main --config=configs/cifar10_small.py:depth=56,shortcut=none

The small scale of experiments/ trains this: half the widths of configs/cifar10.py (8-16-32), two
epochs of the first 7,500 training images (469 updates of batch 32) in one cycle up to a rate of
0.05, and one test on the first 5,000 test images, at the end. The network is narrower than the
papers' and far from trained: its errors are several times the published ones, and only their order
is of interest.
"""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import override
from resnet_jax.configs import cifar10


def get_config(changes: str = "") -> ConfigDict:
    config = cifar10.get_config()
    config.data.train_split = "train[:7500]"
    config.data.eval_split = "test[:5000]"

    config.model.widths = (8, 16, 32)
    config.model.stem_width = 8

    config.train.steps = None
    config.train.batch_size = 32
    config.train.epochs = 2.0
    config.optim.rate = 0.05
    config.schedule.name = "one_cycle"
    del config.schedule.decay_at
    config.eval.every_epochs = 0.0
    config.checkpoint.every_epochs = 0.5
    config.checkpoint.keep = 1
    config.checkpoint.keep_best = 0
    config.report.every_steps = 1
    config.report.tensorboard = False
    return override(config, changes)
