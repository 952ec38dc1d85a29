"""What a network says of single pictures, and how that is shown."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from resnet_jax.analysis.explanation import grad_cam, occlusion
from resnet_jax.analysis.overlay import overlaid, png
from resnet_jax.data.changes.augment import normalise
from resnet_jax.data.images.pictures import read_picture
from resnet_jax.reporting import markup
from resnet_jax.tables import UserError
from resnet_jax.verbs.trained import Network

STYLE = """
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: 1.5rem; }
.sheet h2 { font-size: .9rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
.sheet figure { display: flex; gap: .25rem; margin: 0; }
.sheet figure img { width: 100%; min-width: 0; image-rendering: auto; }
.sheet td { white-space: normal; }
"""


class Guess(NamedTuple):
    """A class and its probability."""

    number: int
    name: str
    probability: float


class Picture(NamedTuple):
    """A picture and what the network says of it.

    Attributes:
      pixels: as the network saw them.
      maps: by the name of the explanation, for the first guess.
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

    Raises:
      UserError: the file can't be read, or has another number of names.
    """

    def __init__(self, network: Network, top: int, names: str | None):
        self._network = network
        self._names = network.class_names if names is None else _read_names(Path(names))
        if len(self._names) != network.model.classes:
            raise UserError(
                f"{names} has {len(self._names)} names and the network {network.model.classes}"
                " classes: give one name a line"
            )
        if top < 1:
            raise UserError(f"--top={top} must be at least 1")
        self._top = min(top, len(self._names))
        model = network.model
        self._probabilities = jax.jit(
            lambda variables, images: jax.nn.softmax(model.apply(variables, images, train=False))
        )
        self._grad_cam = jax.jit(partial(grad_cam, model))
        self.origin = network.origin

    def __call__(self, name: str, file: Path | BinaryIO) -> Picture:
        network = self._network
        pixels = read_picture(
            file,
            network.image_shape,
            crop_ratio=network.crop_ratio,
            interpolation=network.interpolation,
            name=name,
        )
        (found,) = np.asarray(self._probabilities(network.variables, self._normalised(pixels)))
        order = np.argsort(-found, kind="stable")[: self._top]
        guesses = tuple(Guess(int(n), self._names[n], float(found[n])) for n in order)
        return Picture(name, pixels, guesses)

    def explained(self, picture: Picture) -> Picture:
        """The picture with Grad-CAM and occlusion of its first guess."""
        images, number = self._normalised(picture.pixels), picture.guesses[0].number
        variables = self._network.variables
        cam = self._grad_cam(variables, images, np.array([number]))[0]
        drop = occlusion(
            lambda covered: self._probabilities(variables, covered)[:, number], images[0]
        )
        return picture._replace(maps={"grad-cam": np.asarray(cam), "occlusion": drop})

    def _normalised(self, pixels: np.ndarray) -> Any:
        return normalise(jnp.asarray(pixels[None]), self._network.mean, self._network.std)


def _read_names(path: Path) -> tuple[str, ...]:
    try:
        return tuple(path.read_text().splitlines())
    except OSError as error:
        raise UserError(
            f"--names={path} can't be read ({error.strerror}): give a text file"
        ) from None


def table(pictures: list[Picture]) -> str:
    """A line a picture: its guesses, the first first."""
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
            path = folder / f"{number:03}-{Path(picture.name).stem}-{kind}.png"
            path.write_bytes(png(overlaid(picture.pixels, values)))
            written.append(str(path))
    return written


def sheet(pictures: list[Picture], origin: str) -> str:
    """The contact sheet as one HTML page."""
    cards = []
    for picture in pictures:
        images = [markup.image(png(picture.pixels), picture.name)]
        images += [
            markup.image(
                png(overlaid(picture.pixels, values)), f"{kind} of {picture.guesses[0].name}"
            )
            for kind, values in picture.maps.items()
        ]
        rows = [(guess.name, f"{guess.probability:.1%}") for guess in picture.guesses]
        shown = f"<figure>{''.join(images)}</figure>"
        shown += markup.table(("class", "probability"), rows)
        cards.append(markup.section(Path(picture.name).name, shown))
    about = [f"{len(pictures)} pictures, by {origin}."]
    if any(picture.maps for picture in pictures):
        about.append(
            "Two explanations of the first class stand beside each picture. In Grad-CAM, red speaks"
            " for the class; in occlusion, red is where covering the picture lowers the class's"
            " probability most."
        )
    body = markup.paragraphs(about) + f'<div class="sheet">{"".join(cards)}</div>\n'
    return markup.document("Predictions", body, style=STYLE)
