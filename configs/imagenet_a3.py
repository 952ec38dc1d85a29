"""'ResNet strikes back', arXiv 2110.00476, procedure A3: ResNet-50 in 100 epochs at 160 pixels.

    python -m resnet_jax.main --config=configs/imagenet_a3.py

configs/imagenet_a2.py but for Table 2's other column: 100 epochs of 160-pixel images, a rate of
8e-3, RandAugment of magnitude 6, each example once in a batch, no stochastic depth. Tested at 224
pixels with a crop ratio of 0.95.

The 512 images of each of four GPUs share batch statistics. Published: 78.05% top-1 on ImageNet,
84.48% on ReaL, 65.67% on ImageNet-V2 (timm's results/*.csv for resnet50.a3_in1k at 224 pixels).
"""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import override
from resnet_jax.configs import imagenet_a2


def get_config(changes: str = "") -> ConfigDict:
    config = imagenet_a2.get_config()
    config.data.image_size = 160
    config.data.eval_size = 224
    config.data.policy = {"name": "timm_rand_augment", "magnitude": 6.0}
    config.data.repeats = 1

    config.model.survival = 1.0
    config.norm.group_size = 512

    config.train.epochs = 100.0
    config.optim.rate = 8e-3
    config.schedule.warmup_start = 1e-4 / 8e-3
    config.schedule.final = 1e-6 / 8e-3
    return override(config, changes)
