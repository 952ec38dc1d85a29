"""'ResNet strikes back', arXiv 2110.00476, procedure A1: ResNet-50 in 600 epochs.

    python -m resnet_jax.main --config=configs/imagenet_a1.py

Table 2 of the paper: batch 2,048, LAMB with a peak rate of 5e-3, five epochs of warm-up and a
cosine, weight decay 0.01 (not on norms and biases), binary cross-entropy with label smoothing 0.1,
mixup 0.2 or CutMix 1.0, RandAugment of magnitude 7 with deviation 0.5, three augmented versions of
an example in a batch, stochastic depth 0.05. Tested at 224 pixels with a crop ratio of 0.95,
bicubic.

Published: 80.4% top-1 on ImageNet, 85.7% on ReaL, 68.7% on ImageNet-V2 (Table 3); 110 hours on four
V100 (Table 2). Details that the paper does not state are those of timm's code: targets above 0.2
count as 1, the rate starts at 1e-4, LAMB clips gradients to a norm of 1 and adapts only parameters
that decay. timm's cosine begins before the warm-up ends; here it begins when the warm-up ends.
RandAugment here is torchvision's: two operations at one magnitude, 21 of 30 for timm's 7 of 10,
without deviation.
"""

from ml_collections import ConfigDict

from configs import imagenet
from resnet_jax.assembly.configuration import override


def get_config(changes: str = "") -> ConfigDict:
    config = imagenet.base()
    config.data.policy = {"name": "rand_augment", "magnitude": 21}
    config.data.repeats = 3
    config.data.crop_ratio = 0.95
    config.data.interpolation = "bicubic"

    config.model.depth = 50
    config.model.survival = 0.95

    config.train.batch_size = 2_048
    config.train.epochs = 600.0
    config.train.loss = {"name": "binary_cross_entropy", "target_threshold": 0.2}
    config.train.label_smoothing = 0.1
    config.mixing.mixup = 0.2
    config.mixing.cutmix = 1.0
    config.optim.name = "lamb"
    config.optim.rate = 5e-3
    config.optim.weight_decay = 0.01
    config.optim.decay_rule = "kernels"
    config.optim.adapt_all = False
    config.optim.clip_norm = 1.0
    config.schedule.name = "cosine"
    config.schedule.warmup_epochs = 5.0
    config.schedule.warmup_start = 1e-4 / 5e-3
    config.schedule.final = 1e-6 / 5e-3
    return override(config, changes)
