"""torchvision's second recipe for ResNet-50, the one of its weights IMAGENET1K_V2.

    python -m resnet_jax.main --config=configs/imagenet_v2.py

Vryniotis, 'How to Train State-Of-The-Art Models Using TorchVision's Latest Primitives', PyTorch
blog, 2021, and the command in torchvision's issue 3995: 600 epochs of batch 1,024 on eight GPUs,
momentum SGD at 0.5 after five epochs of warm-up from a hundredth, then a cosine to zero; weight
decay 2e-5, none on norms; TrivialAugment, random erasing 0.1, label smoothing 0.1, mixup 0.2 or
CutMix 1.0 for each batch, four augmented versions of an example in a batch, averaged weights.
Trained at 176 pixels; tested on a 224 crop of images whose short side is 232.

Published: 80.858% top-1, 95.434% top-5 (torchvision's documentation); no time is stated.

torchvision averages every 32 updates with a decay of 1 - (1 - 0.99998) * 1024 * 32 / 600 =
0.998908; the decay of each update here is the 32nd root of that, 0.9999658. It starts the average
anew until the rate's warm-up has ended; here early updates are forgotten by ema.update's rule.
Unlike there, images are mixed alike in the whole batch, not in each GPU's 128; versions of an
example stand side by side, so batch statistics are those of the whole batch and not of a GPU's; an
epoch holds other examples (data.order.repeated).
"""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import override
from resnet_jax.configs import imagenet

# torchvision's updates from one average to the next, and the decay of one average.
EVERY = 32
DECAY = 1 - (1 - 0.99998) * 1_024 * EVERY / 600


def get_config(changes: str = "") -> ConfigDict:
    config = imagenet.base()
    config.data.image_size = 176
    config.data.policy = "trivial_augment"
    config.data.erase = 0.1
    config.data.repeats = 4
    config.data.eval_size = 224
    config.data.crop_ratio = 224 / 232

    config.model.depth = 50

    config.train.batch_size = 1_024
    config.train.epochs = 600.0
    config.train.label_smoothing = 0.1
    config.train.ema_decay = DECAY ** (1 / EVERY)
    config.mixing.mixup = 0.2
    config.mixing.cutmix = 1.0
    config.optim.name = "sgd"
    config.optim.rate = 0.5
    config.optim.weight_decay = 2e-5
    config.optim.decay_rule = "but_norms"
    config.schedule.name = "cosine"
    config.schedule.warmup_epochs = 5.0
    config.schedule.warmup_start = 0.01
    return override(config, changes)
