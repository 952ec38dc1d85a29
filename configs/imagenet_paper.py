"""ImageNet as in 'Deep Residual Learning for Image Recognition', arXiv 1512.03385, section 3.4.

    python -m resnet_jax.main --config=configs/imagenet_paper.py:depth=34,shortcut=B
    python -m resnet_jax.main --config=configs/imagenet_paper.py:depth=34,shortcut=none

Depth is 18, 34, 50, 101 or 152, the shortcut option A, B or C, or none for the plain twin. 600,000
updates of batch 256 (120 epochs): the short side of an image is drawn from 256 to 480 pixels, a
random 224 x 224 crop of it is mirrored at random, and a colour is added ('the standard color
augmentation'); momentum 0.9, weight decay 1e-4 on kernels alone (of convolutions, says the README
of fb.resnet.torch of the paper's code; here of the head too). Batch statistics are those of 32
images, as with a batch on eight GPUs, which arXiv 1603.05027 (appendix) says of the same recipe.
The rate starts at 0.1 and is divided by 10 'when the error plateaus': here at 150,000 and 300,000
updates, which are the 30 and 60 epochs of that appendix. Bottlenecks carry the stride in their
first 1x1. Tested on ten crops of images whose short side is 256.

Published top-1 error on ten crops (Tables 2 and 3): plain 18 27.94%, plain 34 28.54%; ResNet-18 A
27.88%; -34 A 25.03%, B 24.52%, C 24.19%; -50 22.85%, -101 21.75%, -152 21.43%. The paper states no
time. Unlike in the paper, each channel's mean is subtracted, not each pixel's. Table 4's single
models (-152: 19.38%) average over five scales: :data.eval_scales=(224,256,384,480,640), here of ten
crops each and not fully convolutional.
"""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import override
from resnet_jax.configs import imagenet

BOTTLENECKS = (50, 101, 152)


def get_config(changes: str = "") -> ConfigDict:
    config = imagenet.base()
    config.data.short_side = (256, 480)
    config.data.lighting = 0.1
    config.data.eval_views = "ten"

    config.model.depth = 50
    config.model.shortcut = "B"

    config.train.batch_size = 256
    config.train.steps = 600_000
    config.optim.name = "sgd"
    config.optim.rate = 0.1
    config.optim.weight_decay = 1e-4
    config.optim.decay_rule = "kernels"
    config.norm.group_size = 32
    config.schedule.name = "step"
    config.schedule.decay_at = (0.25, 0.5)
    config = override(config, changes)
    if config.model.branch is None and config.model.depth in BOTTLENECKS:
        config.model.branch = "bottleneck_v1"
    return config
