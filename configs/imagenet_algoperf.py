"""AlgoPerf's ImageNet workload, ResNet-50, as its target was set (arXiv 2306.07179).

    python -m resnet_jax.main --config=configs/imagenet_algoperf.py
    python -m resnet_jax evaluate --workdir=RUN --sets=imagenet_v2=DIR

From mlcommons/algorithmic-efficiency: algoperf/workloads/imagenet_resnet has the network, the data
and the target, algorithms/target_setting_algorithms the run that set it. 146,999 updates of batch
1,024 (three quarters of the 195,999 that the workload allows), momentum SGD at 4.13 after 6,999
updates of warm-up, then a straight line to a thousandth over 90% of the rest; weight decay 5.7e-6
on everything, label smoothing 0.2; random crops and flips alone. The last norm of each block starts
at zero and the stride lies in the 3x3. Tested on a 224 crop of images whose short side is 256,
bicubic.

Published target: 77.431% on the validation set, 65.60% on ImageNet-V2, within 66,159 seconds. A
submission may change all but network, data and loss: `:optim.name=nadamw,...`. Its NAdamW baseline
reaches 77.38% at best in the logs that lie there (rate 1.308e-3, momentum 0.9731, b2 0.99812, decay
0.1638, label smoothing 0.1, a tenth of 195,999 updates of warm-up, then a cosine).

Unlike there, crops of training are resized bilinearly and not bicubically, strided convolutions pad
both sides, and the head starts with LeCun's initial values and not with deviations of 0.01. The
batch shares statistics, as in the present code; when the target was set, a device's share did.
"""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import override
from resnet_jax.configs import imagenet

EXAMPLES = 1_281_167
STEPS, WARMUP = 146_999, 6_999


def get_config(changes: str = "") -> ConfigDict:
    config = imagenet.base()
    config.data.crop_ratio = 224 / 256
    config.data.interpolation = "bicubic"

    config.model.depth = 50
    config.model.zero_init_branch = True

    config.train.batch_size = 1_024
    config.train.steps = STEPS
    config.train.label_smoothing = 0.2
    config.optim.name = "sgd"
    config.optim.rate = 4.131896390902391
    config.optim.momentum = 0.9274758113254791
    config.optim.weight_decay = 5.6687777311501786e-6
    config.schedule.name = "polynomial"
    config.schedule.warmup_epochs = WARMUP * 1_024 / EXAMPLES
    config.schedule.length = 0.9007765761611038
    config.schedule.final = 1e-3
    return override(config, changes)
