"""A network's predictions for single pictures, and where it looked."""

import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from resnet_jax import models
from resnet_jax.analysis.explanation import grad_cam, occlusion
from resnet_jax.analysis.overlay import overlaid, png
from resnet_jax.assembly.restored import Restored
from resnet_jax.data.changes.augment import normalise
from resnet_jax.data.images.pictures import read_picture
from resnet_jax.data.images.views import Views, views
from resnet_jax.data.sources.conventions import convention, imagenet_classes
from resnet_jax.models.resnet import ResNet
from resnet_jax.reporting.files import replace
from resnet_jax.tables import UserError
from resnet_jax.training.evaluation import Logits
from resnet_jax.training.steps import eval_logits
from resnet_jax.weights.pretrained import load

LONGEST_NAME = 200  # bytes of a picture's name in the names of its explanations


class Network(NamedTuple):
    """A network with its weights and the preprocessing of its images, without a data set.

    Attributes:
      model: unrolled, as `variables` are.
      mean, std: of each channel, on the scale of [0, 1].
      origin: where the weights come from, in words.
      views: of a picture, as evaluation takes them.
      logits: (variables, images or stacks of their views) -> logits.
    """

    model: ResNet
    variables: Any
    logits: Logits
    views: Views
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    origin: str


def without_data(restored: Restored) -> Network:
    """The network of a run or of a configuration with a file of weights."""
    inputs = restored.assembly.inputs
    preprocessing = inputs.preprocessing()
    model = restored.assembly.model.clone(scan_blocks=False)
    return Network(
        model,
        restored.scored_variables(),
        restored.assembly.evaluation.logits(model),
        inputs.views,
        inputs.image_shape,
        _readable(tuple(preprocessing["classes"])),
        preprocessing["mean"],
        preprocessing["std"],
        restored.origin,
    )


def published(name: str, weights: str | Path) -> Network:
    """The published network of this name with the weights of a file.

    What stands beside the file says how images are prepared, see weights.pretrained, and else the
    convention of the network's family. Classes are those that stand there, or of ImageNet or
    CIFAR-10 where there are as many.

    Raises:
      UserError: there is no such network, or the file does not fit it.
    """
    chosen = convention(models.find(name)["family"])
    model, variables, said = load(name, weights)
    if said is not None:
        kept = [None if isinstance(side, str) else side for side in said["short_sides"]]
        size, kind, interpolation = said["image_shape"][0], said["views"], said["interpolation"]
        chosen = chosen._replace(
            views=views(size, kind=kind, scales=tuple(kept), interpolation=interpolation),
            image_shape=tuple(said["image_shape"]),
            class_names=tuple(said.get("classes", chosen.class_names)),
            mean=tuple(said["mean"]),
            std=tuple(said["std"]),
        )
    if model.classes != len(chosen.class_names):
        chosen = chosen._replace(class_names=tuple(f"class {n}" for n in range(model.classes)))
    logits = partial(eval_logits, model.apply)
    return Network(model, variables, logits, *chosen, origin=f"{name} of {weights}")


def _readable(classes: tuple[str, ...]) -> tuple[str, ...]:
    """ImageNet's names in words, where they are the numbers of WordNet."""
    numbers = all(re.fullmatch(r"n\d{8}", name) for name in classes)
    return imagenet_classes() if numbers and len(classes) == 1_000 else classes


class Guess(NamedTuple):
    """A class and its probability."""

    number: int
    name: str
    probability: float


class Picture(NamedTuple):
    """A picture and the network's guesses.

    Attributes:
      pixels: the view that the network saw, or the first of several.
      maps: explanations of the first guess, by name.
    """

    name: str
    pixels: UInt8[np.ndarray, "height width channels"]
    guesses: tuple[Guess, ...]
    maps: Mapping[str, Float[np.ndarray, "rows columns"]] = MappingProxyType({})

    def as_json(self) -> dict[str, Any]:
        return {"image": self.name, "top": [guess._asdict() for guess in self.guesses]}


class Predictor:
    """Predicts one picture at a time.

    Args:
      top: guesses for each picture.
      names: file with the name of each class, one a line, in place of the network's own.
      upright: see data.images.pictures.read_picture.

    Raises:
      UserError: the file can't be read, or has another number of names.
    """

    def __init__(self, network: Network, top: int, names: str | None, *, upright: bool = False):
        self._network, self._upright = network, upright
        self._names = network.class_names if names is None else read_names(Path(names))
        if len(self._names) != network.model.classes:
            raise UserError(
                f"{names} has {len(self._names)} names and the network {network.model.classes}"
                " classes: give one name a line"
            )
        if top < 1:
            raise UserError(f"--top={top} must be at least 1")
        self._top = min(top, len(self._names))
        model: Any = network.model
        self._probabilities = jax.jit(
            lambda variables, images: jax.nn.softmax(network.logits(variables, images))
        )
        self._grad_cam = jax.jit(partial(grad_cam, model))
        self.origin = network.origin

    def __call__(self, name: str, file: Path | BinaryIO) -> Picture:
        network = self._network
        views = read_picture(
            file,
            network.views,
            network.image_shape,
            name=name,
            upright=self._upright,
        )
        images = self._normalised(views)
        # A single view has no axis of its own, as in evaluation.
        images = images[None] if len(views) > 1 else images
        (found,) = np.asarray(self._probabilities(network.variables, images))
        order = np.argsort(-found, kind="stable")[: self._top]
        guesses = tuple(Guess(int(n), self._names[n], float(found[n])) for n in order)
        return Picture(name, views[0], guesses)

    def explained(self, picture: Picture) -> Picture:
        """The picture with Grad-CAM and occlusion of its first guess, in its first view."""
        images, number = self._normalised(picture.pixels[None]), picture.guesses[0].number
        variables = self._network.variables
        cam = self._grad_cam(variables, images, np.array([number]))[0]
        drop = occlusion(
            lambda covered: self._probabilities(variables, covered)[:, number], images[0]
        )
        return picture._replace(maps={"grad-cam": np.asarray(cam), "occlusion": drop})

    def _normalised(self, pixels: np.ndarray) -> Any:
        return normalise(jnp.asarray(pixels), self._network.mean, self._network.std)


def read_names(path: Path) -> tuple[str, ...]:
    """The names of the classes in a file, one a line.

    Raises:
      UserError: it can't be read.
    """
    try:
        return tuple(path.read_text("utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise UserError(f"--names={path} can't be read ({reason}): give a text file") from None


def _shortened(name: str) -> str:
    """The name without its end where that is long: with additions it may have 255 bytes."""
    while len(os.fsencode(name)) > LONGEST_NAME:
        name = name[:-1]
    return name


def table(pictures: list[Picture]) -> str:
    """The guesses for each picture, the most probable first, one a line."""
    lines = []
    for picture in pictures:
        lines.append(picture.name)
        lines += [f"  {guess.probability:7.2%}  {guess.name}" for guess in picture.guesses]
    return "\n".join(lines)


def write_explanations(pictures: list[Picture], folder: Path) -> list[str]:
    """Writes each map over its picture, as NUMBER-NAME-KIND.png; returns the files."""
    written = []
    for number, picture in enumerate(pictures, start=1):
        for kind, values in picture.maps.items():
            path = folder / f"{number:03}-{_shortened(Path(picture.name).stem)}-{kind}.png"
            replace(path, png(overlaid(picture.pixels, values)))
            written.append(str(path))
    return written
