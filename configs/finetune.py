"""Fine-tuning: a network with the weights of a file learns another data set.

    python -m resnet_jax.main --config=configs/finetune.py:init.weights=resnet20.safetensors
    python -m resnet_jax.main --config=configs/finetune.py:init.weights=FILE,finetune.frozen_parts=4

The first command trains every part, each at half the rate of the part after it (discriminative
rates: Howard & Ruder, arXiv 1801.06146, section 3.2, divide by 2.6 from layer to layer). The second
trains the head alone, on the pooled features of stem and three stages, which use their running
statistics: a linear probe. Values between 0 and 4 freeze so many parts, counted from the stem on.

Without changes it trains CIFAR-100 from the ResNet-20 of akamaster/pytorch_resnet_cifar10, which
was trained on CIFAR-10 with inputs divided by ImageNet's deviations. The head is new, since the
number of classes differs. Other networks are chosen by name: configs/finetune.py:name=resnet18d.
"""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import override
from resnet_jax.configs import default


def get_config(changes: str = "") -> ConfigDict:
    config = default.get_config()
    config.data.name = "cifar100"
    config.data.mean = (0.485, 0.456, 0.406)
    config.data.std = (0.229, 0.224, 0.225)
    config.data.pad = 4
    config.data.flip = True

    config.model.depth = 20
    config.model.shortcut = {"name": "A", "layout": "both_sides"}

    config.finetune.rate_decay = 0.5
    config.train.batch_size = 128
    config.train.epochs = 10.0
    config.optim.name = "nesterov"
    config.optim.rate = 0.05
    config.optim.weight_decay = 5e-4
    config.schedule.name = "cosine"
    config.schedule.warmup_epochs = 0.5
    return override(config, changes)
