"""The metrics of an evaluation, each a row of METRICS.

They are sums with a count, so that batches of any size add up to the whole set.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import one_hot
from jaxtyping import Array, Bool, Float, Int32

from resnet_jax.tables import Table, UserError
from resnet_jax.training.losses import cross_entropy

# Arrays, or small trees of them, by the name of their metric; and "examples", their number.
Sums = dict[str, Any]


class Outputs(NamedTuple):
    """A network's outputs for a batch of examples, and the right answers.

    Attributes:
      labels: the right class of each example, [batch]; None where several are right.
      mask: the examples that count; the others only fill up the batch.
      hits: whether the class with the largest logit, the first of equal ones, is right.
      rank: how many classes stand before the right one, [batch]; None where several are right.
      first_hits: `hits` of the first of several views alone; None where there is one view.
    """

    logits: Float[Array, "batch classes"]
    labels: Any
    mask: Bool[Array, "batch"]
    hits: Bool[Array, "batch"]
    rank: Any
    first_hits: Any = None


def mean(total: Any, examples: int) -> float:
    """The mean over the examples, from their sum."""
    return float(total) / examples


@dataclass(frozen=True)
class Metric:
    """A figure of a network on a set of examples.

    Attributes:
      function: Outputs of a batch -> sums over the examples that the mask counts.
      figure: (the sums of all batches, the number of examples) -> the figure; by default the mean.
      higher_is_better: whether 1 is the best value and not 0.
      needs_label: whether it needs the one right class; test sets with several leave it out.
      needs_views: whether it needs several views of an image; it is left out where there is one.
      in_brief: whether the console's lines, the curves of a run's page and the tables of sweeps
        show it; files hold every metric.
    """

    function: Callable[[Outputs], Any]
    figure: Callable[[Any, int], float] = mean
    higher_is_better: bool = True
    needs_label: bool = True
    needs_views: bool = False
    in_brief: bool = True


def loss(outputs: Outputs) -> Float[Array, ""]:
    """Cross-entropy in nats, whatever the loss that the network is trained with."""
    targets = one_hot(outputs.labels, outputs.logits.shape[1])
    return jnp.where(outputs.mask, cross_entropy(outputs.logits, targets), 0).sum()


def hits(outputs: Outputs) -> Int32[Array, ""]:
    """Examples whose class with the largest logit is right."""
    return (outputs.mask & outputs.hits).sum()


def top5(outputs: Outputs) -> Int32[Array, ""]:
    """Examples whose right class is among those with the five largest logits."""
    return (outputs.mask & (outputs.rank < 5)).sum()


def first_hits(outputs: Outputs) -> Int32[Array, ""]:
    """Examples of which the first of several views alone would be right: the centre."""
    return (outputs.mask & outputs.first_hits).sum()


# Evaluations and training steps compute every one. top1 decides which checkpoint is the best.
METRICS = Table(
    "metric",
    {
        "loss": Metric(loss, higher_is_better=False),
        "top1": Metric(hits, needs_label=False),
        "top5": Metric(top5, in_brief=False),
        "one_view_top1": Metric(first_hits, needs_label=False, needs_views=True),
    },
    Metric,
)
# Other figures of an evaluation.
RESERVED = ("examples", "calibration_error", "confusion")


def ranked(
    logits: Float[Array, "batch classes"],
    labels: Int32[Array, "batch"],
    mask: Bool[Array, "batch"],
) -> Outputs:
    """The outputs of a batch whose examples have one right class each.

    A label is among the top k if fewer than k logits are larger, or equal and before it: the order
    that a stable sort would give.
    """
    label_logit = jnp.take_along_axis(logits, labels[:, None], axis=1)
    before = jnp.arange(logits.shape[1])[None] < labels[:, None]
    rank = ((logits > label_logit) | ((logits == label_logit) & before)).sum(axis=1)
    # A NaN compares as not larger: without this it would count as a hit.
    rank = jnp.where(jnp.isnan(logits).any(axis=1), logits.shape[1], rank)
    return Outputs(logits, labels, mask, rank < 1, rank)


def sums(
    logits: Float[Array, "batch classes"],
    labels: Int32[Array, "batch"],
    mask: Bool[Array, "batch"],
    first: Float[Array, "batch classes"] | None = None,
    metrics: Mapping[str, Metric] = METRICS,
) -> Sums:
    """Sums of metrics over the examples that the mask counts.

    Args:
      first: logits of the first of several views; None where there is one.
    """
    outputs = ranked(logits, labels, mask)
    if first is not None:
        outputs = outputs._replace(first_hits=ranked(first, labels, mask).hits)
    return sums_of(metrics, outputs)


def sums_of(metrics: Mapping[str, Metric], outputs: Outputs) -> Sums:
    """Sums of the metrics, without those that need what the outputs lack."""
    found = {
        name: metric.function(outputs)
        for name, metric in metrics.items()
        if not (metric.needs_label and outputs.labels is None)
        and not (metric.needs_views and outputs.first_hits is None)
    }
    return {**found, "examples": outputs.mask.sum()}


def totals(batches: Iterable[Sums]) -> dict[str, Any]:
    """Adds batches up in float64 on the host."""
    return jax.tree.map(lambda *values: sum(np.asarray(v, np.float64) for v in values), *batches)


def figures(totals: Sums, metrics: Mapping[str, Metric] = METRICS) -> dict[str, float | int]:
    """The number of examples, and the figure of each metric in `totals`."""
    examples = int(totals["examples"])
    found = {
        name: metric.figure(totals[name], examples)
        for name, metric in metrics.items()
        if name in totals
    }
    return {"examples": examples, **found}


def means(
    batches: Iterable[Sums], metrics: Mapping[str, Metric] = METRICS
) -> dict[str, float | int]:
    """The figures of metrics from the sums of batches."""
    return figures(totals(batches), metrics)


def with_own(names: Iterable[str]) -> dict[str, Metric]:
    """METRICS and those of a user's files, 'my_rows.py:top3' under the name 'top3'.

    Raises:
      UserError: there is no such metric, or its name is that of another figure.
    """
    found: dict[str, Metric] = {**METRICS}
    for name in names:
        short = name.rpartition(":")[2]
        if short in (*found, *RESERVED):
            raise UserError(
                f"eval.metrics has {name}, and '{short}' is the name of another figure: call the"
                " metric something else"
            )
        found[short] = METRICS.choose(name)
    return found


def in_brief(metrics: Mapping[str, Metric] = METRICS) -> list[str]:
    """Names of the metrics that are shown where there is room for few."""
    return [name for name, metric in metrics.items() if metric.in_brief]


def best_first(metrics: Mapping[str, Metric]) -> list[str]:
    """Names in the order of an evaluation's table: accuracies stand before errors."""
    return sorted(metrics, key=lambda name: not metrics[name].higher_is_better)
