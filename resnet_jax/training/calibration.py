"""What predictions of a whole set show together: confusion of classes, honesty of probabilities."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


def probabilities(
    logits: Float[np.ndarray, "examples classes"],
) -> Float[np.ndarray, "examples classes"]:
    """The softmax, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def confusion(
    labels: Int[np.ndarray, "examples"], predicted: Int[np.ndarray, "examples"], classes: int
) -> Int[np.ndarray, "classes classes"]:
    """How many examples of each class (row) were taken for each class (column)."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


class Reliability(NamedTuple):
    """Predictions sorted by their confidence into bins of equal width.

    Attributes:
      count: predictions in each bin.
      confidence: their mean probability; 0 where there are none.
      accuracy: share of them that are right; 0 where there are none.
    """

    count: Int[np.ndarray, "bins"]
    confidence: Float[np.ndarray, "bins"]
    accuracy: Float[np.ndarray, "bins"]

    @property
    def calibration_error(self) -> float:
        """ECE: mean of |accuracy - confidence| over examples (Guo et al., 1706.04599, eq. 3)."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float((self.count * gaps).sum() / self.count.sum())


def reliability(
    probability: Float[np.ndarray, "examples classes"],
    labels: Int[np.ndarray, "examples"],
    bins: int = 15,
) -> Reliability:
    """Sorts the predictions; bin b holds confidences in (b / bins, (b + 1) / bins]."""
    confidence = probability.max(axis=1)
    right = probability.argmax(axis=1) == labels
    number = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(number, minlength=bins)
    some = np.maximum(count, 1)
    return Reliability(
        count,
        np.bincount(number, confidence, bins) / some,
        np.bincount(number, right, bins) / some,
    )
