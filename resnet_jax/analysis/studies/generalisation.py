"""How well a network does on images that it was not trained on.

It measures the gap to training images, calibration, mistakes and corruptions.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.special import log_softmax

from resnet_jax.analysis.subject import Examples, Subject, evaluator
from resnet_jax.data.changes.augment import normalise
from resnet_jax.data.changes.corruptions import CORRUPTIONS, corrupt
from resnet_jax.reporting.drawing import STYLE, tell
from resnet_jax.reporting.findings import Findings, Picture
from resnet_jax.tables.domains import Count, PositiveInt
from resnet_jax.training.details import calibration_error, confusion, reliability


class Predictions(NamedTuple):
    """A network's logits for examples, and the right classes."""

    logits: Float[np.ndarray, "examples classes"]
    labels: Int[np.ndarray, "examples"]

    @property
    def probability(self) -> np.ndarray:
        return np.exp(log_softmax(self.logits.astype(np.float64), axis=1))

    @property
    def predicted(self) -> np.ndarray:
        return self.logits.argmax(axis=1)

    @property
    def losses(self) -> np.ndarray:
        every = log_softmax(self.logits.astype(np.float64), axis=1)
        return -every[np.arange(len(self.labels)), self.labels]

    @property
    def confusion(self) -> np.ndarray:
        everyone = np.ones(len(self.labels), bool)
        return np.asarray(confusion(*map(jnp.asarray, (self.logits, self.labels, everyone))))

    @property
    def reliability(self) -> dict[str, np.ndarray]:
        """Totals for each interval of the confidence; see training.details.reliability."""
        hits, everyone = self.predicted == self.labels, np.ones(len(self.labels), bool)
        totals = reliability(*map(jnp.asarray, (self.logits, hits, everyone)))
        return {name: np.asarray(values) for name, values in totals.items()}


def predict(subject: Subject, examples: Examples, batch_size: int = 500) -> Predictions:
    """Runs the network over all examples."""
    apply = jax.jit(partial(subject.model.apply, train=False))
    logits = [apply(subject.variables, batch.images) for batch in examples.batches(batch_size)]
    found = np.concatenate([np.asarray(batch, np.float32) for batch in logits])
    return Predictions(found, np.asarray(examples.labels))


def pixels(subject: Subject, examples: Examples) -> UInt8[np.ndarray, "examples h w c"]:
    """The images on the scale of 0 to 255, as they were before normalisation."""
    mean, std = (np.array(moments, np.float32) for moments in (subject.mean, subject.std))
    return np.clip((examples.images * std + mean) * 255, 0, 255).round().astype(np.uint8)


def confused_pairs(counts: np.ndarray, names: tuple[str, ...], most: int = 10) -> list[dict]:
    """The pairs of classes that are most often taken for each other, in either direction."""
    both = np.triu(counts + counts.T, k=1)
    order = np.argsort(-both, axis=None, kind="stable")[:most]
    pairs = [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, both.shape), strict=True)]
    return [
        {"classes": [names[i], names[j]], "count": int(both[i, j])} for i, j in pairs if both[i, j]
    ]


def corruption_errors(
    subject: Subject, examples: Examples, severities: tuple[int, ...] = (1, 2, 3, 4, 5)
) -> dict[str, list[float]]:
    """The network's error under each corruption, at each severity."""
    original = pixels(subject, examples)
    apply = partial(subject.model.apply, train=False)

    def normalised_apply(variables: Any, images: Any) -> Any:
        return apply(variables, normalise(images, subject.mean, subject.std))

    errors: dict[str, list[float]] = {}
    for name in CORRUPTIONS:
        errors[name] = []
        for severity in severities:
            images = corrupt(original, name, severity, seed=subject.seed)
            evaluate = evaluator(normalised_apply, Examples(images, examples.labels))
            errors[name].append(1 - evaluate(subject.variables)["top1"])
    return errors


def study(subject: Subject, *, examples: PositiveInt = 2_000, corrupted: Count = 500) -> Findings:
    """All of these on the first `examples` training images and test images.

    Args:
      corrupted: images under each corruption; 0 leaves them out.
    """
    train = predict(subject, subject.examples("train", examples))
    test_examples = subject.examples("test", examples)
    test = predict(subject, test_examples)
    bins, counts = test.reliability, test.confusion
    error = calibration_error(bins)
    wrong = np.flatnonzero(test.predicted != test.labels)
    worst = wrong[np.argsort(-test.losses[wrong], kind="stable")[:24]]
    pairs = confused_pairs(counts, subject.class_names)
    figures = {
        "confusion": draw_confusion(counts, subject.class_names),
        "reliability": draw_reliability(bins),
    }
    pictures = mistakes(subject, test_examples, test, worst)
    numbers: dict[str, Any] = {
        "examples": examples,
        **{
            split: {
                "top1": float((found.predicted == found.labels).mean()),
                "loss": float(found.losses.mean()),
            }
            for split, found in (("train", train), ("test", test))
        },
        "calibration_error": error,
        "confusion": counts.tolist(),
        "most_confused": pairs,
        "mistakes": len(wrong),
        "most_wrong": [
            {
                "index": int(index),
                "name": subject.name(int(index)),
                "label": subject.class_names[test.labels[index]],
                "predicted": subject.class_names[test.predicted[index]],
                "number": int(test.predicted[index]),  # names may be equal, as ImageNet's maillots
                "probability": float(test.probability[index].max()),
                "loss": float(test.losses[index]),
            }
            for index in worst
        ],
    }
    summary = (
        f"top1 {numbers['train']['top1']:.4f} in training, {numbers['test']['top1']:.4f} in the"
        f" test; calibration error {error:.4f}"
    )
    if corrupted:
        errors = corruption_errors(subject, subject.examples("test", corrupted))
        mean = float(np.mean(list(errors.values())))
        numbers |= {"corrupted_examples": corrupted, "corruption_errors": errors,
                    "mean_error_under_corruption": mean}  # fmt: skip
        figures["corruptions"] = draw_corruptions(errors)
        summary += f"; mean error under corruption {mean:.4f}"
    shown = f"{len(test.labels):,} test images"
    alts = {
        "confusion": f"Confusion matrix of {shown}, {len(wrong):,} of them off the diagonal"
        + "".join(f"; {' and '.join(pair['classes'])}: {pair['count']}" for pair in pairs[:3]),
        "reliability": f"Accuracy over confidence of {shown}: calibration error {error:.4f}",
    }
    captions = {
        "confusion": "Rows are the classes, columns the predictions. The colour is the share of"
        " the row's images, the number their count.",
        "reliability": "Share of right answers among the images of each confidence. On the dotted"
        " line the network is as often right as it says.",
    }
    return Findings(numbers, figures, summary, alts, captions, {"worst": pictures})


def mistakes(
    subject: Subject, examples: Examples, found: Predictions, indices: np.ndarray
) -> list[Picture]:
    """The images of these numbers, each with its class, the guess, its probability and its name."""
    chosen = pixels(subject, Examples(examples.images[indices], examples.labels[indices]))
    pictures = []
    for index, image in zip(indices, chosen, strict=True):
        name = subject.class_names[found.labels[index]]
        guess = subject.class_names[found.predicted[index]]
        share = found.probability[index].max()
        file = "/".join(subject.name(int(index)).rsplit("/", 2)[-2:])
        pictures.append(
            Picture(image, (f"is {name}", f"taken for {guess}", f"with {share:.0%}", file),
                    f"{file}, of class {name}, taken for {guess}")
        )  # fmt: skip
    return pictures


def draw_confusion(counts: np.ndarray, names: tuple[str, ...]) -> Figure:
    """The confusion as shares of each class, with the numbers where there is room for them."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 5), layout="constrained")
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        if len(names) <= 20:
            axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
            axes.set_yticks(range(len(names)), names, fontsize=7)
            for (row, column), count in np.ndenumerate(counts):
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, count, ha="center", va="center", fontsize=6, color=colour)
                # What the pointer meets, over all of the cell.
                cell = axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, alpha=0))
                tell(
                    cell, f"{names[row]}, predicted {names[column]}: {count} of {sum(counts[row])}"
                )
        axes.set_xlabel("predicted")
        axes.set_ylabel("class")
    return figure


def draw_reliability(bins: dict[str, np.ndarray]) -> Figure:
    """Accuracy against confidence."""
    accuracy = bins["bin_hits"] / np.maximum(bins["bin_examples"], 1)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.4, 4), layout="constrained")
        axes = figure.subplots()
        width = 1 / len(accuracy)
        bars = axes.bar(np.arange(len(accuracy)) * width, accuracy, width, align="edge",
                        color="#9db7d5", edgecolor="#2b5c8a")  # fmt: skip
        for bar, right, count in zip(bars, bins["bin_hits"], bins["bin_examples"], strict=True):
            low = bar.get_x()
            words = f"confidence {low:.2f} to {low + width:.2f}"
            tell(bar, f"{words}: {int(right)} of {int(count)} right")
        axes.plot([0, 1], [0, 1], ":", color="#333")
        axes.set_xlabel("confidence")
        axes.set_ylabel("accuracy")
        axes.set_title(f"calibration error {calibration_error(bins):.4f}", loc="left")
    return figure


def draw_corruptions(errors: dict[str, list[float]]) -> Figure:
    """Error by severity, a line for each corruption."""
    colours = matplotlib.colormaps["tab20"]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7, 4.4), layout="constrained")
        axes = figure.subplots()
        for number, (name, values) in enumerate(errors.items()):
            axes.plot(range(1, len(values) + 1), [100 * value for value in values], ".-",
                      color=colours(number), label=name.replace("_", " "))  # fmt: skip
        axes.set_xticks(range(1, 6))
        axes.set_xlabel("severity")
        axes.set_ylabel("test error, %")
        figure.legend(
            *axes.get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=7
        )
    return figure
