"""CIFAR-100 as in 'Identity Mappings in Deep Residual Networks', arXiv 1603.05027.

    python -m resnet_jax.main --config=configs/cifar100.py --workdir=runs/cifar100

The recipe of configs/cifar10.py with a rate of 0.01 for the first 400 updates (appendix).

Published (Tables 3 and 4, medians of five runs): ResNet-164, original 25.16% and with full
pre-activation 24.33% test error, ResNet-1001 27.82% and 22.71%. The stride lies in the first 1x1:
:depth=1001,branch=bottleneck_v1,arrangement=full_preactivation,shortcut=B.
"""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import override
from resnet_jax.configs import cifar10


def get_config(changes: str = "") -> ConfigDict:
    config = cifar10.get_config()
    config.data.name = "cifar100"
    config.data.mean = (0.5071, 0.4865, 0.4409)
    config.data.std = (0.2673, 0.2564, 0.2762)
    config.schedule.warmup = "constant"
    config.schedule.warmup_start = 0.1
    config.schedule.warmup_epochs = 1.024
    return override(config, changes)
