"""A trained network for the verbs that use one: a run's checkpoint, or a file of weights."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from absl import flags
from ml_collections import config_flags

from resnet_jax.tables import UserError

if TYPE_CHECKING:
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


def from_run(workdir: Path) -> Trained:
    """Returns the network of a run's checkpoint, which --step and --best choose.

    Raises:
      UserError: there is no run, or no such checkpoint.
    """
    from resnet_jax import configuration
    from resnet_jax.assembly import Assembly

    config = configuration.load(workdir)
    before = configuration.flatten(config.to_dict())
    after = configuration.flatten(configuration.override(config, _CHANGES.value).to_dict())
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
        step = checkpoints.best_step if _BEST.value else _STEP.value
        if _BEST.value and step is None:
            raise UserError(
                f"none of the checkpoints in {workdir} was evaluated: leave out --best, or set"
                " checkpoint.every_epochs to a multiple of eval.every_epochs and train again"
            )
        state = checkpoints.restore(assembly.abstract_state, step, set_aside=False)
    assert state is not None
    return Trained(assembly, state.eval_variables, f"step {int(state.step)}")
