"""When a run reached the accuracy that `eval.target_top1` names, and what it had spent by then."""

from collections.abc import Mapping, Sequence
from typing import Any

from resnet_jax.analysis.counts import PASSES
from resnet_jax.reporting import timing
from resnet_jax.reporting.findings import Findings


def findings(
    lines: Sequence[Mapping[str, Any]],
    target: float,
    batch_size: int,
    flops: int,
    start: int = 0,
) -> Findings:
    """Seconds, updates and arithmetic up to the first evaluation at or over the target.

    Args:
      lines: of metrics.jsonl.
      target: top-1, a fraction.
      flops: of the forward pass of one image; an update computes PASSES times as much for each.
      start: see timing.spent.
    """
    found = timing.spent(lines, batch_size, start)
    numbers: dict[str, Any] = {"target_top1": target, "evaluations": len(found)}
    reached = timing.first_at(found, target)
    if reached is None:
        best = max((one.top1 for one in found), default=0.0)
        summary = f"No evaluation reached a top-1 of {target:.2%}: the best is {best:.2%}"
        return Findings({**numbers, "reached": False}, {}, summary)
    total = (reached.step - start) * batch_size * PASSES * flops
    numbers |= {
        "reached": True,
        "step": reached.step,
        "top1": reached.top1,
        "seconds": reached.training,
        "seconds_with_compiling": reached.training + reached.compiling,
        "seconds_of_evaluations_before": reached.evaluating,
        "flops": total,
    }
    summary = (
        f"A top-1 of {target:.2%} was reached after {reached.step:,} updates:"
        f" {reached.training:.1f} s of training,"
        f" {reached.training + reached.compiling:.1f} s with compiling, evaluations left out"
        f" ({reached.evaluating:.1f} s before this one), and {total:.3g} FLOP in all"
    )
    return Findings(numbers, {}, summary)
