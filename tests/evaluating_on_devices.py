"""Evaluates photographs on meshes of 1, 2 and 8 of eight emulated devices, for test_evaluation.

python evaluating_on_devices.py FOLDER OUT.json
"""

import json
import os
import sys
from functools import partial
from pathlib import Path

from command_line import xla_flags

os.environ["XLA_FLAGS"] = xla_flags(8)

import jax
import numpy as np
import photographs
from jax.sharding import AxisType, Mesh

from resnet_jax.data.photographs import streamed
from resnet_jax.data.sources.folder import open_folder
from resnet_jax.training.details import DetailedSums, figures
from resnet_jax.training.evaluation import Evaluator
from resnet_jax.training.metrics import totals
from resnet_jax.training.steps import eval_logits

WEIGHTS = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)


def apply(variables, images, *, train):
    return images.mean((1, 2)) @ variables["weights"]


def main(folder: Path, out: Path) -> None:
    examples = open_folder(folder, "validation", photographs.CLASSES)
    data = streamed(
        examples, image_size=16, steps=1, eval_views="ten", workers=0,
        mean=(0.5,) * 3, std=(0.25,) * 3,
    )  # fmt: skip
    found = []
    for count in (1, 2, 8):
        mesh = Mesh(np.array(jax.devices()[:count]), ("data",), axis_types=(AxisType.Auto,))
        for batch_size in (5, 7, 100):
            evaluator = Evaluator(
                partial(eval_logits, apply), data, batch_size, mesh, DetailedSums()
            )
            added = totals(evaluator.batches({"weights": WEIGHTS}))
            found.append(
                {"devices": count, "batch_size": batch_size, **figures(added),
                 "confusion": added["confusion"].tolist()}
            )  # fmt: skip
    out.write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
