"""Handwritten digits of scikit-learn: ResNet-8 learns 1,437 real images in a minute on a CPU."""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import override
from resnet_jax.configs import default


def get_config(changes: str = "") -> ConfigDict:
    config = default.get_config()
    config.data.source = "digits"
    config.data.mean = (0.305,)
    config.data.std = (0.376,)
    config.data.pad = 1

    config.model.depth = 8
    config.model.shortcut = "B"

    config.train.batch_size = 64
    config.train.epochs = 20.0
    config.optim.name = "nesterov"
    config.optim.rate = 0.1
    config.optim.weight_decay = 5e-4
    config.schedule.name = "cosine"
    config.schedule.warmup_epochs = 1.0
    config.eval.every_epochs = 2.0
    config.checkpoint.every_epochs = 2.0
    return override(config, changes)
