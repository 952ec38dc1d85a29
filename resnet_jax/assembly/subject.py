"""The network of a run, as the Subject of an analysis."""

from functools import partial
from typing import Any

import numpy as np

from resnet_jax.analysis.subject import Examples, Subject
from resnet_jax.assembly import Assembly


def subject(assembly: Assembly, variables: Any, seed: int = 0) -> Subject:
    """The network with its data.

    Args:
      variables: unrolled.
      seed: of what an analysis draws.
    """
    preprocessing = assembly.inputs.preprocessing()
    return Subject(
        model=assembly.model.clone(scan_blocks=False),
        variables=variables,
        examples=partial(_examples, assembly),
        class_names=tuple(preprocessing["classes"]),
        image_shape=tuple(preprocessing["image_shape"]),
        mean=preprocessing["mean"],
        std=preprocessing["std"],
        seed=seed,
        name=lambda index: assembly.eval_data.name(index),
    )


def _examples(assembly: Assembly, split: str, count: int | None) -> Examples:
    """The first `count` examples of a split, not augmented; all where there are fewer.

    Of several views of an image the first is taken.
    """
    data: Any = assembly.train_data if split == "train" else assembly.eval_data
    count = data.examples if count is None else min(count, data.examples)
    images: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for picks in data.eval_picks(min(count, 1_000), 1):
        batch = data.eval_batch(data.arrays, picks)
        mask = np.asarray(batch.mask)
        shown = np.asarray(batch.images)[mask]
        images.append(shown[:, 0] if shown.ndim == 5 else shown)
        labels.append(np.asarray(batch.labels)[mask])
        if sum(map(len, labels)) >= count:
            break
    return Examples(np.concatenate(images)[:count], np.concatenate(labels)[:count])
