"""timm's RA4 weights of ResNets ('ResNet trick or treat', 2024), as far as they are documented.

    python -m resnet_jax.main --config=configs/imagenet_ra4.py
    python -m resnet_jax.main --config=configs/imagenet_ra4.py:name=resnet34,crop_ratio=0.9

Documented by huggingface/pytorch-image-models, in its tag ra4_e3600_r224_in1k, in hparams.mdx and
in the networks' settings: 3,600 epochs at 224 pixels, RandAugment, settings 'inspired by
MobileNetV4' (arXiv 2404.10518), pixels normalised by means and deviations of 0.5. Tested at 224
pixels with a crop ratio of 0.9 (0.95 for resnet50d), bicubic.

Published top-1 at 224 pixels (its results/results-imagenet.csv): resnet18d 74.36%, resnet34 77.49%,
resnetv2_34d 78.27%, resnet50d 80.96%.

The settings themselves are in a list of their own beside that code, which was not at hand when
this file was written. So these are stand-ins, and the figures above are not to be expected of
them: AdamW with a rate of 4e-3 for batches of 4,096, five epochs of warm-up and a cosine, weight
decay 0.05 on kernels, RandAugment of magnitude 9, label smoothing 0.1 and averaged weights.
"""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import override
from resnet_jax.configs import imagenet


def get_config(changes: str = "") -> ConfigDict:
    config = imagenet.base()
    config.data.mean = (0.5, 0.5, 0.5)
    config.data.std = (0.5, 0.5, 0.5)
    config.data.policy = {"name": "timm_rand_augment", "magnitude": 9.0}
    config.data.crop_ratio = 0.95
    config.data.interpolation = "bicubic"

    config.train.batch_size = 4_096
    config.train.epochs = 3_600.0
    config.train.label_smoothing = 0.1
    config.train.ema_decay = 0.9999
    config.optim.name = "adamw"
    config.optim.rate = 4e-3
    config.optim.weight_decay = 0.05
    config.optim.decay_rule = "kernels"
    config.schedule.name = "cosine"
    config.schedule.warmup_epochs = 5.0
    return override(override(config, "name=resnet50d"), changes)
