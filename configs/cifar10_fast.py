"""CIFAR-10 in ten epochs."""

from ml_collections import ConfigDict

from configs import cifar10
from resnet_jax.configuration import override


def get_config(changes: str = "") -> ConfigDict:
    config = cifar10.get_config()
    config.data.pad = 2
    config.model.kernel_init = "pytorch"

    config.train.batch_size = 64
    config.train.steps = None
    config.train.epochs = 10.0
    config.optim.name = "nesterov"
    config.optim.rate = 0.2
    config.optim.weight_decay = 5e-4
    config.optim.decay_rule = "kernels"
    config.schedule.name = "polynomial"
    config.schedule.decay_at = None
    config.schedule.warmup_epochs = 2.0
    config.checkpoint.every_epochs = 1.0
    return override(config, changes)
