"""CIFAR-100 with the recipe of configs/cifar10.py, which 'Identity Mappings' uses for it as well.

    python -m resnet_jax.main --config=configs/cifar100.py --workdir=runs/cifar100

Published (arXiv 1603.05027, Table 3): ResNet-1001, original 27.82% and with full pre-activation
22.71% test error: :depth=1001,branch=bottleneck,arrangement=full_preactivation,shortcut=B.
"""

from ml_collections import ConfigDict

from configs import cifar10
from resnet_jax.assembly.configuration import override


def get_config(changes: str = "") -> ConfigDict:
    config = cifar10.get_config()
    config.data.name = "cifar100"
    config.data.mean = (0.5071, 0.4865, 0.4409)
    config.data.std = (0.2673, 0.2564, 0.2762)
    return override(config, changes)
