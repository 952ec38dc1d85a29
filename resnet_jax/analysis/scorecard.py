"""The figures of an evaluation on each test set, beside those that others published."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from resnet_jax.analysis.published import ALEXNET_ERRORS, PUBLISHED, mean_corruption_error
from resnet_jax.training.details import DETAILED, class_accuracies, figures
from resnet_jax.training.metrics import Metric, best_first

Figures = dict[str, Any]


class Scores(NamedTuple):
    """The results on one test set.

    Attributes:
      figures: of training.details.DETAILED, without those that need one right class where examples
        have several.
      confusion: number of examples of each class (row) by prediction (column); None where examples
        have several right classes.
    """

    figures: Figures
    confusion: np.ndarray | None

    def details(self, classes: Sequence[str], kept: Iterable[int] | None) -> dict[str, Any]:
        """JSON of the figures, each class's accuracy and triples [class, prediction, examples].

        Args:
          classes: names of the network's classes.
          kept: numbers of the classes that the set has; None means all.
        """
        if self.confusion is None:
            return dict(self.figures)
        names = [classes[label] for label in (range(len(classes)) if kept is None else kept)]
        pairs = zip(*self.confusion.nonzero(), strict=True)
        return {
            **self.figures,
            "class_accuracies": dict(zip(names, class_accuracies(self.confusion), strict=True)),
            "confusion": [
                [names[label], names[guess], int(self.confusion[label, guess])]
                for label, guess in pairs
            ],
        }


def of_totals(
    totals: dict[str, np.ndarray], metrics: Mapping[str, Metric] = MappingProxyType({})
) -> Scores:
    """Scores from the totals of training.details.DetailedSums.

    Args:
      metrics: beside DETAILED.
    """
    return Scores(figures(totals, metrics), totals.get("confusion"))


def grouped(sets: dict[str, Figures]) -> dict[str, Figures]:
    """Replaces the sets `imagenet_c:CORRUPTION:SEVERITY` by one with the mean corruption error."""
    whole = {name: values for name, values in sets.items() if ":" not in name}
    subsets = {tuple(name.split(":")): values for name, values in sets.items() if ":" in name}
    for name in dict.fromkeys(key[0] for key in subsets):
        errors = {
            corruption: [
                1 - values["top1"]
                for (of, kind, _), values in subsets.items()
                if (of, kind) == (name, corruption)
            ]
            for corruption in ALEXNET_ERRORS
        }
        own = [values for (of, _, _), values in subsets.items() if of == name]
        whole[name] = {
            "examples": sum(values["examples"] for values in own),
            "top1": sum(values["top1"] for values in own) / len(own),
            "mce": mean_corruption_error(errors),
            "errors": errors,
        }
    return whole


def line(own: Figures) -> str:
    """The figures of one set, with their names, in one line."""
    names = best_first(DETAILED)
    names += [name for name in own if name not in (*names, "examples")]
    words = [f"{name.replace('_', ' ')} {own[name]:.4f}" for name in names if name in own]
    return f"{', '.join(words)} on {own['examples']} examples"


def table(own: Figures, sets: dict[str, Figures], *, imagenet: bool) -> str:
    """A line for each set, and below it the published figures of the set.

    Args:
      imagenet: whether the run's own set is ImageNet's.
    """
    others = [name for name in own if name not in ("examples", *DETAILED)]
    columns = ("examples", *best_first(DETAILED), *others, "mce")
    lines = [f"{'':<34}" + "".join(f"{column:>19}" for column in columns)]
    rows = {("imagenet" if imagenet else "evaluation"): own, **sets}
    for name, values in rows.items():
        lines.append(f"{name:<34}" + "".join(_cell(values.get(column)) for column in columns))
        for row in PUBLISHED:
            if row.test_set == name:
                cells = (row.value if column == row.metric else None for column in columns)
                lines.append(
                    f"  {row.network:<32}" + "".join(map(_cell, cells)) + f"  {row.source}"
                )
    return "\n".join(lines)


def _cell(value: float | int | None) -> str:
    if value is None:
        return f"{'':>19}"
    return f"{value:>19,}" if isinstance(value, int) else f"{value:>19.4f}"
