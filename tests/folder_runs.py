"""A tiny network that has learned from an image folder, and the folder."""

from pathlib import Path

import photographs
from command_line import call

CONFIG = """
from configs import default
from resnet_jax.assembly.configuration import override

def get_config(changes=""):
    config = default.get_config()
    config.data.source = "folder"
    config.data.train_split, config.data.eval_split = "train", "val"
    config.data.mean = config.data.std = (0.5, 0.5, 0.5)
    config.update_from_flattened_dict({
        "model.stage_depths": (1,), "model.widths": (4,), "model.stem_width": 4,
        "train.batch_size": 4, "train.steps": 2, "report.page": False, "report.tensorboard": False,
    })
    config.data.dir, config.data.image_size, config.data.workers = "DIR", 16, 0
    return override(config, changes)
"""


def write_data(place: Path) -> Path:
    """Returns the folder of nine training images and six others, three classes of each."""
    photographs.write(place / "data", "train")
    return photographs.write(place / "data", "val", each=2)


def write_config(place: Path, data: Path) -> str:
    """Returns --config of a run that learns from the folder `data`."""
    file = place / "folder_run.py"
    file.write_text(CONFIG.replace("DIR", str(data)))
    return f"--config={file}"


def train(place: Path) -> dict:
    """Trains a run in place/run, with the images in place/data."""
    config = write_config(place, write_data(place))
    return call("train", config, f"--workdir={place / 'run'}")
