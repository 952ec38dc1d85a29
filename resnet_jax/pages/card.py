"""The card of an exported network, as hubs show it: README.md with front matter."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resnet_jax import __version__
from resnet_jax.assembly import environment
from resnet_jax.assembly.restored import Restored
from resnet_jax.reporting.files import replace
from resnet_jax.reporting.metrics_file import read_lines

# By this a card is known as one that may be written anew.
MARK = "library_name: resnet_jax"
USES = {
    ".safetensors": "`resnet_jax.weights.read_tensors(FILE)` reads it, and every other reader of"
    " safetensors.",
    ".stablehlo": "`jax.export.deserialize(FILE.read_bytes()).call(images)` gives the logits.",
    ".onnx": '`onnxruntime.InferenceSession(FILE).run(None, {"images": images})` gives the logits.',
}


def write(
    file: Path,
    network: Restored,
    preprocessing: Mapping[str, Any],
    workdir: Path | None,
    licence: str | None,
) -> Path:
    """Writes the card beside an exported file and returns its path.

    It is README.md, or FILE.md where a README.md lies there that is no card.

    Args:
      workdir: of the run; None for a network whose weights came from a file.
      licence: of the weights, as an SPDX identifier.
    """
    path = file.with_name("README.md")
    if path.exists() and MARK not in path.read_text(errors="replace"):
        path = file.with_name(f"{file.name}.md")
    replace(path, text(file.name, network, preprocessing, workdir, licence))
    return path


def text(
    file: str,
    network: Restored,
    preprocessing: Mapping[str, Any],
    workdir: Path | None,
    licence: str | None,
) -> str:
    """The card; see `write`."""
    config, model = network.assembly.config, network.assembly.model
    front = ["---", MARK, "pipeline_tag: image-classification"]
    front += [f"license: {licence.lower()}"] if licence else []
    height, width, channels = preprocessing["image_shape"]
    prepared = {key: value for key, value in preprocessing.items() if key != "classes"}
    parts = [
        "\n".join([*front, "---"]),
        f"# {workdir.resolve().name if workdir else Path(file).stem}",
        f"A residual network of {model.classes} classes for images of {height} x {width} pixels and"
        f" {channels} channels, exported with resnet_jax {__version__} ({network.origin})."
        f" {USES[Path(file).suffix]}",
        "## Classes",
        ", ".join(preprocessing["classes"]),
        "## Images",
        "Resize, crop, multiply by `scale`, subtract `mean`, divide by `std`:",
        f"```json\n{json.dumps(prepared, indent=2)}\n```",
    ]
    if metrics := metrics_of(workdir, network.step):
        rows = "\n".join(f"| {name} | {value:.6g} |" for name, value in sorted(metrics.items()))
        parts += ["## Test set", f"| metric | value |\n|---|---|\n{rows}"]
    if workdir and (entries := environment.read(workdir)):
        parts += ["## Training", f"    {entries[-1]['command']}"]
    parts += ["## Licence", _licence(licence, config.init.weights)]
    return "\n\n".join(parts) + "\n"


def metrics_of(workdir: Path | None, step: int | None) -> dict[str, float]:
    """What the run measured on its test set at this step."""
    lines = read_lines(workdir / "metrics.jsonl") if workdir else []
    prefix = "eval/"
    return {
        name.removeprefix(prefix): value
        for line in lines
        if line["step"] == step
        for name, value in line.items()
        if name.startswith(prefix)
    }


def _licence(licence: str | None, origin: str | None) -> str:
    said = f"{licence}." if licence else "None is stated; `export --licence=NAME` writes one here."
    if origin:
        said += f" Training began with the weights {origin}, whose licence holds as well."
    return said
