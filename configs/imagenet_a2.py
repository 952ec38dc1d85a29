"""'ResNet strikes back', arXiv 2110.00476, procedure A2: ResNet-50 in 300 epochs.

    python -m resnet_jax.main --config=configs/imagenet_a2.py

configs/imagenet_a1.py but for Table 2's other column: 300 epochs, weight decay 0.02, mixup 0.1, no
label smoothing.

Published: 79.83% top-1 on ImageNet, 85.45% on ReaL, 67.81% on ImageNet-V2 (timm's results/*.csv for
resnet50.a2_in1k at 224 pixels).
"""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import override
from resnet_jax.configs import imagenet_a1


def get_config(changes: str = "") -> ConfigDict:
    config = imagenet_a1.get_config()
    config.train.epochs = 300.0
    config.train.label_smoothing = 0.0
    config.mixing.mixup = 0.1
    config.optim.weight_decay = 0.02
    return override(config, changes)
