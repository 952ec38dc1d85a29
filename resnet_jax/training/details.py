"""Figures of an evaluation beyond its means, from sums that add up over batches."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.nn import one_hot, softmax
from jaxtyping import Array, Bool, Float, Int32

from resnet_jax.training import metrics
from resnet_jax.training.metrics import METRICS, Metric, Outputs, Sums

BINS = 15


def confusion(
    logits: Float[Array, "batch classes"],
    labels: Int32[Array, "batch"],
    mask: Bool[Array, "batch"],
) -> Int32[Array, "classes classes"]:
    """Number of examples of each class (row) that were predicted as each class (column)."""
    # A product and no scatter, which a GPU would have to sort; float32 counts up to 2^24 exactly.
    right, predicted = (one_hot(of, logits.shape[1]) for of in (labels, logits.argmax(axis=1)))
    return jnp.einsum("br,bp->rp", right * mask[:, None], predicted).astype(jnp.int32)


def reliability(
    logits: Float[Array, "batch classes"], hits: Bool[Array, "batch"], mask: Bool[Array, "batch"]
) -> Sums:
    """Examples, confidence and hits of each of BINS equal intervals of the confidence.

    Confidence is the largest probability of the softmax. Bin m of M is ((m - 1) / M, m / M]
    (Guo et al., arXiv 1706.04599, section 2).
    """
    confidence = softmax(logits.astype(jnp.float32), axis=1).max(axis=1)
    confidence = jnp.where(mask, confidence, 0)
    place = jnp.clip(jnp.ceil(confidence * BINS).astype(jnp.int32) - 1, 0, BINS - 1)
    here = one_hot(place, BINS, dtype=bool)

    def of_bins(values: Array) -> Array:
        return jnp.where(here, values[:, None].astype(jnp.float32), 0).sum(axis=0)

    return {
        "bin_examples": of_bins(mask),
        "bin_confidence": of_bins(confidence),
        "bin_hits": of_bins(mask & hits),
    }


def calibration_error(totals: dict[str, Any]) -> float:
    """Expected calibration error (Guo et al., eq. 3) from the totals of `reliability`."""
    gaps = np.abs(totals["bin_hits"] - totals["bin_confidence"])
    return float(gaps.sum() / totals["bin_examples"].sum())


# Evaluated by the verb `evaluate`, beside METRICS; a training run leaves them out.
DETAILED: dict[str, Metric] = {
    **METRICS,
    "calibration_error": Metric(
        lambda outputs: reliability(outputs.logits, outputs.hits, outputs.mask),
        lambda totals, examples: calibration_error(totals),
        higher_is_better=False,
        needs_label=False,
    ),
}


def class_accuracies(confusion: np.ndarray) -> list[float | None]:
    """The share of each class's examples that were predicted right; None where it has none."""
    examples = confusion.sum(axis=1)
    return [
        float(right / count) if count else None
        for right, count in zip(confusion.diagonal(), examples, strict=True)
    ]


@dataclass(frozen=True)
class DetailedSums:
    """Sums of DETAILED metrics and of the confusion over a batch, for an Evaluator.

    Attributes:
      classes: the classes that a prediction may name, [kept]; a label is a place among them. None:
        all classes.
      answers: which classes are right, [rows, classes]; a label is a row. None: a label is the one
        right class.
      metrics: metrics beside DETAILED.
    """

    classes: Any = None
    answers: Any = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    def __call__(
        self,
        logits: Float[Array, "batch classes"],
        labels: Int32[Array, "batch"],
        mask: Bool[Array, "batch"],
        first: Float[Array, "batch classes"] | None = None,
    ) -> Sums:
        rows = {**DETAILED, **self.metrics}
        outputs = self._outputs(logits, labels, mask)
        if first is not None:
            outputs = outputs._replace(first_hits=self._outputs(first, labels, mask).hits)
        sums = metrics.sums_of(rows, outputs)
        if outputs.labels is None:
            return sums
        return {**sums, "confusion": confusion(outputs.logits, labels, mask)}

    def _outputs(self, logits: Array, labels: Array, mask: Array) -> Outputs:
        if self.classes is not None:
            logits = logits[:, jnp.asarray(self.classes)]
        if self.answers is None:
            return metrics.ranked(logits, labels, mask)
        finite = ~jnp.isnan(logits).any(axis=1)
        hits = finite & jnp.asarray(self.answers)[labels, logits.argmax(axis=1)]
        return Outputs(logits, None, mask, hits, None)


def figures(
    totals: Sums, others: Mapping[str, Metric] = MappingProxyType({})
) -> dict[str, float | int]:
    """Figures of DETAILED, and of other metrics, from the totals of DetailedSums."""
    return metrics.figures(totals, {**DETAILED, **others})
