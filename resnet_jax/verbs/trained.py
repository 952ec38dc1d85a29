"""A trained network for the verbs that use one: a run's checkpoint, or a file of weights."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from absl import flags
from ml_collections import config_flags

from resnet_jax.tables import UserError, choose

if TYPE_CHECKING:
    from resnet_jax.analysis.subject import Subject
    from resnet_jax.assembly import Assembly

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Configuration of the network whose weights --weights holds."
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
_WEIGHTS = flags.DEFINE_string("weights", None, "File of weights, in place of a run's.")
_STEP = flags.DEFINE_integer("step", None, "Checkpoint of the run; by default the newest.")
_BEST = flags.DEFINE_bool("best", False, "Take the checkpoint with the highest test top-1.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", None, "Examples in a batch, instead of the run's.")
_CHANGES = flags.DEFINE_string(
    "changes",
    "",
    "Keys of the run that only evaluation reads, as data.eval_size=256,data.eval_views=ten.",
)

# What --changes may begin with.
EVALUATION_KEYS = (
    "eval.", "data.eval_", "data.crop_ratio", "data.interpolation", "data.dir", "data.source",
    "data.name", "data.workers",
)  # fmt: skip


class Trained(NamedTuple):
    """A network with its weights.

    Attributes:
      variables: for evaluation, in the layout of the assembly's model.
      origin: where they come from, in words.
    """

    assembly: "Assembly"
    variables: Any
    origin: str

    def unrolled_variables(self) -> Any:
        """The variables in the layout whose names are those of single blocks."""
        from resnet_jax.models.scan import unstack_blocks

        scanned = self.assembly.model.scan_blocks
        return unstack_blocks(self.variables) if scanned else self.variables

    def subject(self, seed: int = 0) -> "Subject":
        """The network as an analysis takes it.

        Args:
          seed: of what the analysis draws.
        """
        from resnet_jax.assembly.subject import subject

        return subject(self.assembly, self.unrolled_variables(), seed)


class Network(NamedTuple):
    """A network with its weights and what its images go through, without a data set.

    Attributes:
      model: unrolled, as `variables` are.
      mean, std: of each channel, on the scale of [0, 1].
      origin: where the weights come from, in words.
      crop_ratio, interpolation: see data.pictures.read_picture.
    """

    model: Any
    variables: Any
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    origin: str
    crop_ratio: float | None = None
    interpolation: str | None = None


def load_network(name: str | None) -> Network:
    """Returns what the flags name.

    Args:
      name: of a published network, in place of --workdir and --config: its weights are those of
        --weights; it has the classes of ImageNet at 224 pixels, or those of CIFAR-10.

    Raises:
      UserError: as `load`, or there is no such network.
    """
    if name is not None:
        return _published(name)
    network = load()
    preprocessing = network.assembly.inputs.preprocessing()
    classes = tuple(preprocessing["classes"])
    return Network(
        network.assembly.model.clone(scan_blocks=False),
        network.unrolled_variables(),
        tuple(preprocessing["image_shape"]),
        _readable(classes),
        preprocessing["mean"],
        preprocessing["std"],
        network.origin,
        preprocessing["crop_ratio"],
        preprocessing["interpolation"],
    )


def _readable(classes: tuple[str, ...]) -> tuple[str, ...]:
    """ImageNet's names in words, where they are the numbers of WordNet."""
    from resnet_jax.data.sources.conventions import imagenet_classes

    numbers = all(re.fullmatch(r"n\d{8}", name) for name in classes)
    return imagenet_classes() if numbers and len(classes) == 1_000 else classes


def _published(name: str) -> Network:
    from resnet_jax import models
    from resnet_jax.data.sources.conventions import convention
    from resnet_jax.weights import read_tensors, to_variables

    if _WEIGHTS.value is None or _WORKDIR.value is not None or _CONFIG.value is not None:
        raise UserError("--model=NAME goes with --weights=FILE, and with neither run nor --config")
    chosen = convention(choose(models.ROWS, name, "network")["family"])
    model = models.create(name, classes=len(chosen.class_names))
    fitted = to_variables(model, read_tensors(Path(_WEIGHTS.value)), channels=3)
    return Network(model, fitted.variables, *chosen, origin=f"{name} of {_WEIGHTS.value}")


def load_or_start() -> Trained:
    """Returns what the flags name; a configuration alone is a network before its first update.

    Raises:
      UserError: as `load`.
    """
    if _CONFIG.value is None or _WEIGHTS.value is not None or _WORKDIR.value is not None:
        return load()
    from resnet_jax.assembly import Assembly

    assembly = Assembly(_CONFIG.value)
    return Trained(assembly, assembly.create_state().eval_variables, "at initialisation")


def load() -> Trained:
    """Returns what the flags name.

    Raises:
      UserError: neither a run nor a configuration with weights, or what they name can't be read.
    """
    if _WEIGHTS.value is None:
        if _WORKDIR.value is None:
            raise UserError("give --workdir=RUN, or --config=FILE and --weights=FILE")
        return from_run(Path(_WORKDIR.value))
    if _WORKDIR.value is not None or _CONFIG.value is None:
        raise UserError("--weights goes with --config=FILE, which describes the network")
    return _from_file(Path(_WEIGHTS.value))


def _from_file(path: Path) -> Trained:
    from resnet_jax.assembly import Assembly

    config = _CONFIG.value
    if _BATCH_SIZE.value is not None:
        config.eval.batch_size = _BATCH_SIZE.value
    assembly = Assembly(config)
    return Trained(assembly, assembly.variables_from(path), str(path))


def checkpoints() -> dict[int, Callable[[], Any]]:
    """Variables of every checkpoint of --workdir by step, unrolled, each read when called."""
    if _WORKDIR.value is None:
        return {}
    from resnet_jax.assembly import Assembly
    from resnet_jax.assembly import workdir as workdirs

    workdir = Path(_WORKDIR.value)
    with Assembly(workdirs.load(workdir)).checkpoints(workdir) as found:
        steps = found.steps

    def read(step: int) -> Any:
        return from_run(workdir, step).unrolled_variables()

    return {step: partial(read, step) for step in steps}


def output_folder(name: str, out: str | None) -> Path:
    """Where a verb writes: the folder that the user names, else `name` in the run's.

    Raises:
      UserError: neither is given.
    """
    if out is not None:
        return Path(out)
    if _WORKDIR.value is None:
        raise UserError(
            "without --workdir there is no run's folder to write into: give --out=FOLDER"
        )
    return Path(_WORKDIR.value) / name


def from_run(workdir: Path, step: int | None = None) -> Trained:
    """Returns the network of a run's checkpoint, which --step and --best choose.

    Args:
      step: in place of the one that they choose.

    Raises:
      UserError: there is no run, or no such checkpoint.
    """
    from resnet_jax.assembly import Assembly, configuration, keys
    from resnet_jax.assembly import workdir as workdirs

    config = workdirs.load(workdir)
    before = keys.flatten(config.to_dict())
    after = keys.flatten(configuration.override(config, _CHANGES.value).to_dict())
    for key, value in after.items():
        if value != before[key] and not key.startswith(EVALUATION_KEYS):
            raise UserError(
                f"--changes={_CHANGES.value} would change {key}, with which the run was trained: it"
                f" may change keys that begin with {', '.join(EVALUATION_KEYS)}"
            )
    if _BATCH_SIZE.value is not None:
        config.eval.batch_size = _BATCH_SIZE.value
    assembly = Assembly(config)
    with assembly.checkpoints(workdir) as checkpoints:
        if not checkpoints.steps:
            raise UserError(f"{workdir} holds no checkpoint yet: train the run first")
        if step is None:
            step = checkpoints.best_step if _BEST.value else _STEP.value
        if _BEST.value and step is None:
            raise UserError(
                f"none of the checkpoints in {workdir} was evaluated: leave out --best, or set"
                " checkpoint.every_epochs to a multiple of eval.every_epochs and train again"
            )
        state = checkpoints.restore(assembly.abstract_state, step, set_aside=False)
    assert state is not None
    return Trained(assembly, state.eval_variables, f"step {int(state.step)}")
