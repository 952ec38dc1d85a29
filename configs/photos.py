"""Photographs of one's own: a folder with a folder of them for each class.

    python -m resnet_jax train   --config=photos --config.data.dir=DIR --workdir=runs/photos
    python -m resnet_jax predict --workdir=runs/photos NEW/*.jpg

A fifth of each class is held out as the test set, by the names of the files alone. The page of the
run shows confusion and mistakes; the best checkpoint is kept beside the newest (`predict --best`).

From published weights, which takes far fewer photographs: --config.init.weights=FILE, or
hf://timm/resnet50.a1_in1k with the extra hub, of the network that :name=NAME chooses, as in
photos:name=resnet50, with --config.finetune.rate_decay=0.5 for lower rates in earlier parts, or
--config.finetune.frozen_parts=5 for the head alone.
"""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import override
from resnet_jax.configs import default


def get_config(changes: str = "") -> ConfigDict:
    config = default.get_config()
    config.model.family = "imagenet"
    config.model.depth = 18

    config.data.source = "folder"
    config.data.holdout = 0.2
    config.data.eval_split = "validation"
    config.data.image_size = 128
    config.data.mean = (0.485, 0.456, 0.406)
    config.data.std = (0.229, 0.224, 0.225)
    # Of small sets much of each photograph is shown.
    config.data.crop_area = (0.35, 1.0)
    config.data.flip = True

    config.train.batch_size = 32
    config.train.epochs = 20.0
    config.train.label_smoothing = 0.1
    config.eval.batch_size = 32
    config.optim.name = "nesterov"
    config.optim.rate = 0.01
    config.optim.weight_decay = 5e-4
    config.schedule.name = "cosine"
    config.schedule.warmup_epochs = 1.0
    config.report.every_steps = 10
    return override(config, changes)
