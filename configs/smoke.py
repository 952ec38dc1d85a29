"""Made-up images and a small network: whether everything works, in seconds.

python -m resnet_jax.main --config=configs/smoke.py --workdir=runs/smoke
"""

from ml_collections import ConfigDict

from resnet_jax.assembly.configuration import override
from resnet_jax.configs import default


def get_config(changes: str = "") -> ConfigDict:
    config = default.get_config()
    config.data.source = "synthetic"
    config.data.image_size = 16
    config.data.classes = 4
    config.data.examples = 256
    config.data.mean = (0.5, 0.5, 0.5)
    config.data.std = (0.25, 0.25, 0.25)
    config.data.pad = 2

    config.model.depth = 8
    config.model.width_factor = 0.5

    config.train.batch_size = 32
    config.train.steps = 40
    config.optim.rate = 0.05
    config.eval.every_epochs = 2.5
    config.checkpoint.every_epochs = 2.5
    config.report.every_steps = 5
    config.report.page = False
    return override(config, changes)
