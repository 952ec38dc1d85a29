"""ResNet-200 with full pre-activation: 'Identity Mappings', arXiv 1603.05027, section 5.

    python -m resnet_jax.main --config=configs/imagenet_preact.py
    python -m resnet_jax.main --config=configs/imagenet_preact.py:depth=152
    python -m resnet_jax.main --config=configs/imagenet_preact.py:depth=152,arrangement=original

Batch 256 on eight GPUs, each with batch statistics of its own 32 images, a rate of 0.1 without
warm-up divided by 10 at 30 and 60 epochs (appendix). The rest is that of fb.resnet.torch, which
trained the paper's best network (Table 5, footnote): 90 epochs, Nesterov's momentum 0.9, weight
decay 1e-4 on every parameter, crops of random area and aspect, brightness, contrast and saturation
changed by up to 0.4 in random order, and shifts along principal colours. The stem is activated
before its pool (appendix). Tested on one 320 x 320 crop of images whose short side is 320.

Published top-1 error on that crop (Table 5): ResNet-200 20.1%. The paper's other networks are those
of its own code, with scale augmentation: ResNet-200 20.7%, -152 21.1%, in the original arrangement
21.8% and 21.3%; so :depth=152,data.short_side=(256,480),data.jitter=None,optim.name=sgd,
optim.decay_rule=kernels. fb.resnet.torch's ResNet-200 has 21.66% on one 224 crop (its README).
Training took about three weeks on eight GPUs (section 5).
"""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import override
from resnet_jax.configs import imagenet


def get_config(changes: str = "") -> ConfigDict:
    config = imagenet.base()
    config.data.eval_size = 320
    config.data.crop_ratio = 1.0
    config.data.jitter = (0.4, 0.4, 0.4, 0.0)
    config.data.lighting = 0.1

    config.model.depth = 200
    config.model.arrangement = "full_preactivation"
    config.model.activate_stem = True

    config.train.batch_size = 256
    config.train.epochs = 90.0
    config.optim.name = "nesterov"
    config.optim.rate = 0.1
    config.optim.weight_decay = 1e-4
    config.norm.group_size = 32
    config.schedule.name = "step"
    config.schedule.decay_at = (1 / 3, 2 / 3)
    return override(config, changes)
