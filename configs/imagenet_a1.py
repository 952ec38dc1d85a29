"""'ResNet strikes back', arXiv 2110.00476, procedure A1: ResNet-50 in 600 epochs.

    python -m resnet_jax.main --config=configs/imagenet_a1.py

Table 2 of the paper: batch 2,048, LAMB with a peak rate of 5e-3, five epochs of warm-up and a
cosine, weight decay 0.01 (not on norms and biases), binary cross-entropy with label smoothing 0.1,
mixup 0.2 or CutMix 1.0, RandAugment of magnitude 7 with deviation 0.5, three augmented versions of
an example in a batch, stochastic depth 0.05. Tested at 224 pixels with a crop ratio of 0.95 (an
image of 235 pixels), bicubic.

Published: 80.4% top-1 on ImageNet (abstract), 85.71% on ReaL and 68.47% on ImageNet-V2 (timm's
results/*.csv for resnet50.a1_in1k at 224 pixels).

Details that the paper does not state are those of timm's code and of runs with it: targets above
0.2 count as 1, the rate starts at 1e-4 and ends at 1e-6, each operation of RandAugment is applied
with probability 0.5 (rand-m7-mstd0.5-inc1), a block's last norm starts at zero, LAMB clips
gradients to a norm of 1 and adapts only parameters that decay. Unlike timm's: the cosine begins
when the warm-up ends, not before; crops of training are resized bilinearly, not bilinearly or
bicubically at random; images are mixed alike in the whole batch, not in each GPU's share; versions
of an example stand side by side, so batch statistics are those of the whole batch and not of a
GPU's; an epoch holds other examples (data.order.repeated).
"""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import override
from resnet_jax.configs import imagenet


def get_config(changes: str = "") -> ConfigDict:
    config = imagenet.base()
    config.data.policy = {"name": "timm_rand_augment", "magnitude": 7.0}
    config.data.repeats = 3
    config.data.crop_ratio = 0.95
    config.data.interpolation = "bicubic"

    config.model.depth = 50
    config.model.survival = 0.95
    config.model.zero_init_branch = True

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
