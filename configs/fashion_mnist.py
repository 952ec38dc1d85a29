"""Fashion-MNIST, 28x28 grey images of clothes (Xiao et al., arXiv 1708.07747).

    python -m resnet_jax.main --config=configs/fashion_mnist.py --workdir=runs/fashion_mnist

The recipe is configs/cifar10_fast.py's, for 20 epochs.
"""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import override
from resnet_jax.configs import cifar10_fast


def get_config(changes: str = "") -> ConfigDict:
    config = cifar10_fast.get_config()
    config.data.name = "fashion_mnist"
    config.data.mean = (0.2860,)
    config.data.std = (0.3530,)
    config.train.epochs = 20.0
    return override(config, changes)
