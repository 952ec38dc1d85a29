"""ResNet-50 in 16 to 88 epochs: FFCV's ImageNet code (Leclerc et al., arXiv 2306.12517).

    python -m resnet_jax.main --config=configs/imagenet_fast.py
    python -m resnet_jax.main --config=configs/imagenet_fast.py:epochs=88

Epochs are 16, 24, 32, 40, 56 or 88. The recipe is that of rn50_configs and train_imagenet.py: 512
images on each of eight GPUs, which share batch statistics, momentum SGD whose rate rises to 1.7 in
two epochs and falls to zero in straight lines, weight decay 1e-4 on all but the norms that have
'bn' in their names (those of projections have not), label smoothing 0.1, blurs before strided
convolutions, and images that grow from 160 to 192 pixels at about three quarters of the run. Tested
on a 256-pixel centre crop and its mirror image, whose logits are summed.

Published top-1 (its README), minutes on eight A100: 16 epochs 73.8% (14.9), 24 75.6% (21.7), 32
76.6% (28.7), 40 77.2% (35.6), 56 78.0% (49.4), 88 78.4% (77.2). Unlike there, images need not be
stored at 500 pixels first (`prepare DIR SMALL --max_side=500 --quality=90` does), and the size
changes in an epoch's middle where it falls there.
"""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import arguments, override
from resnet_jax.configs import imagenet
from resnet_jax.tables import UserError

# Epochs between which the images grow, by the epochs of the run.
GROWTH = {16: (11, 13), 24: (17, 20), 32: (23, 27), 40: (29, 34), 56: (41, 48), 88: (65, 76)}


def get_config(changes: str = "") -> ConfigDict:
    own, changes = arguments(changes, epochs=16)
    epochs = own["epochs"]
    config = imagenet.base()
    config.data.image_size = 192
    config.data.first_size = 160
    if epochs not in GROWTH:
        raise UserError(
            f"there is no recipe of {epochs} epochs: choose {', '.join(map(str, GROWTH))}"
        )
    start, end = GROWTH[epochs]
    config.data.growth = (start / epochs, end / epochs)
    config.data.eval_size = 256
    config.data.eval_views = "mirrored"
    config.eval.average_logits = True

    config.model.depth = 50
    config.model.antialias = "blur_before"

    config.train.batch_size = 4_096
    config.train.epochs = float(epochs)
    config.train.label_smoothing = 0.1
    config.optim.name = "sgd"
    config.optim.rate = 1.7
    config.optim.weight_decay = 1e-4
    config.optim.decay_rule = "ffcv"
    config.norm.group_size = 512
    config.schedule.name = "polynomial"
    config.schedule.warmup_epochs = 2.0
    config.schedule.warmup_start = 1e-4
    return override(config, changes)
