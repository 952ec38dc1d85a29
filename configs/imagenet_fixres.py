"""Fine-tuning at the resolution of the test: 'FixRes', Touvron et al., arXiv 1906.06423.

    python -m resnet_jax.main --config=configs/imagenet_fixres.py:init.weights=resnet50.safetensors

Random crops make objects look larger in training than the centre crop does in the test. So a
network is better at a resolution above that of its training, once its head has learned from the
pooled features there. The head of a ResNet-50 that was trained at 224 pixels is trained for 31 more
epochs on 384-pixel crops, taken as in the test (of images of 438 pixels) except for a shift, a flip
and colours changed by up to 0.05; everything else is frozen. From the paper's code (its README,
imnet_finetune/train.py and transforms_v2.py): batch 512, momentum 0.9, weight decay 1e-4, a rate of
0.008 divided by 10 at epoch 30.

Published top-1 (that README): 77.0% at 224, and 79.1% at 384 pixels after this; no time is stated.
Unlike there, crops are shifted in both directions and not sideways alone, and the running
statistics of the last norm are not updated, unless eval.recalibration_steps recomputes those of all
norms. `export` writes a run's weights to such a file.
"""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import override
from resnet_jax.configs import imagenet

SIZE = 384
STAGES = 4


def get_config(changes: str = "") -> ConfigDict:
    config = imagenet.base()
    config.data.image_size = SIZE
    # The test resizes the short side to these 438 pixels.
    config.data.short_side = (int(SIZE / 0.875),) * 2
    config.data.jitter = (0.05, 0.05, 0.05, 0.0)

    config.model.depth = 50
    config.finetune.frozen_parts = STAGES + 1

    config.train.batch_size = 512
    config.train.epochs = 31.0
    config.optim.name = "sgd"
    config.optim.rate = 0.008
    config.optim.weight_decay = 1e-4
    config.schedule.name = "step"
    config.schedule.decay_at = (30 / 31,)
    return override(config, changes)
