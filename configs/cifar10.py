"""CIFAR-10 as in 'Deep Residual Learning for Image Recognition', arXiv 1512.03385, section 4.2.

    python -m resnet_jax.main --config=configs/cifar10.py --workdir=runs/cifar10
    python -m resnet_jax.main --config=configs/cifar10.py:depth=110,shortcut=C

64,000 updates of batch 128, rate 0.1 divided by 10 at 32,000 and 48,000, weight decay 1e-4 on
kernels alone (of convolutions, says the README of fb.resnet.torch of the paper's code; here of the
head too), pad-4 crops and flips, option A. The paper trains on two GPUs, so 64 images share batch
statistics. It subtracts the mean of each pixel; here the mean of each channel is subtracted and the
result divided by its standard deviation.

Published test error (Table 6): ResNet-20 8.75%, -32 7.51%, -44 7.17%, -56 6.97%, -110 6.61% in
the mean of five runs with a standard deviation of 0.16. The paper trains depth 110 at a rate of
0.01 for about 400 updates first:
:depth=110,schedule.warmup=constant,schedule.warmup_start=0.1,schedule.warmup_epochs=1.024.
"""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import override
from resnet_jax.configs import default

MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)


def get_config(changes: str = "") -> ConfigDict:
    config = default.get_config()
    config.data.name = "cifar10"
    config.data.mean = MEAN
    config.data.std = STD
    config.data.pad = 4
    config.data.flip = True

    config.model.depth = 20
    config.model.shortcut = "A"

    config.train.batch_size = 128
    config.train.steps = 64_000
    config.train.onednn = True
    config.optim.name = "sgd"
    config.optim.rate = 0.1
    config.optim.weight_decay = 1e-4
    config.optim.decay_rule = "kernels"
    config.norm.group_size = 64
    config.schedule.name = "step"
    config.schedule.decay_at = (0.5, 0.75)
    config.checkpoint.every_epochs = 5.0
    return override(config, changes)
