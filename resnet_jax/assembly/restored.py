"""A network with its weights, from a run's checkpoint or a file, or before the first update."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from resnet_jax.analysis.subject import Subject
from resnet_jax.assembly import Assembly, configuration, keys, run_folder
from resnet_jax.assembly.identity import DataFacts
from resnet_jax.assembly.subject import subject
from resnet_jax.models.scan import unstack_blocks
from resnet_jax.tables import UserError

# Only keys that begin so may be changed for an evaluation.
EVALUATION_KEYS = (
    "eval.", "data.eval_", "data.crop_ratio", "data.interpolation", "data.dir", "data.source",
    "data.name", "data.workers",
)  # fmt: skip


class Restored(NamedTuple):
    """A network with its weights.

    Attributes:
      variables: for evaluation, in the layout of the assembly's model.
      origin: where the variables come from, in words.
      step: updates that made them; None where that is unknown.
    """

    assembly: Assembly
    variables: Any
    origin: str
    step: int | None = None

    def unrolled_variables(self) -> Any:
        """The variables in the unrolled layout, see models.scan."""
        scanned = self.assembly.model.scan_blocks
        return unstack_blocks(self.variables) if scanned else self.variables

    def scored_variables(self) -> Any:
        """The unrolled variables that evaluation scores.

        They have new batch statistics of the training set, where eval.recalibration_steps asks for
        them.
        """
        scored = self._replace(variables=self.assembly.evaluation.recalibrated(self.variables))
        return scored.unrolled_variables()

    def subject(self, seed: int = 0) -> Subject:
        """The network as an analysis takes it, with the variables that evaluation scores.

        Args:
          seed: of what the analysis draws.
        """
        return subject(self.assembly, self.scored_variables(), seed)


def load(
    workdir: str | Path,
    step: int | None = None,
    best: bool = False,
    changes: str = "",
    batch_size: int | None = None,
    trust_rows: bool = False,
) -> Restored:
    """Returns the network of a run's checkpoint.

    Args:
      step: of the checkpoint; None is the newest.
      best: take the one with the highest evaluation top-1, whatever `step` says.
      changes: of keys that only evaluation reads, as 'data.eval_size=256,data.eval_views=ten'.
      batch_size: examples in a batch of evaluation, in place of the run's.
      trust_rows: see run_folder.load.

    Raises:
      UserError: there is no run, no such checkpoint, or `changes` would change what was trained.
    """
    workdir = Path(workdir)
    config = run_folder.load(workdir, trust_rows=trust_rows)
    identity = run_folder.identity(workdir, config)
    changed = configuration.override(run_folder.load(workdir, trust_rows=trust_rows), changes)
    before, after = (keys.flatten(values.to_dict()) for values in (config, changed))
    for key, value in after.items():
        if value != before.get(key) and not key.startswith(EVALUATION_KEYS):
            raise UserError(
                f"--changes={changes} would change {key}, with which the run was trained: it may"
                f" change keys that begin with {', '.join(EVALUATION_KEYS)}"
            )
    assembly = _assembly(changed, batch_size, identity.data)
    with assembly.checkpoints(workdir, identity) as checkpoints:
        state = checkpoints.restore(assembly.abstract_state, step, best=best, sets_aside=False)
    if state is None:
        raise UserError(f"{workdir} holds no checkpoint yet: train the run first")
    found = int(state.step)
    return Restored(assembly, state.eval_variables, f"step {found}", found)


def load_weights(config: ConfigDict, path: str | Path, batch_size: int | None = None) -> Restored:
    """Returns the network of a configuration with the weights of a file.

    Args:
      batch_size: examples in a batch of evaluation, in place of the configuration's.

    Raises:
      UserError: the file can't be read, or does not fit the network.
    """
    assembly = _assembly(config, batch_size)
    return Restored(assembly, assembly.variables_from(path), str(path))


def start(config: ConfigDict) -> Restored:
    """Returns the network of a configuration before its first update."""
    assembly = Assembly(config)
    return Restored(assembly, assembly.create_state().eval_variables, "at initialisation", 0)


def _assembly(
    config: ConfigDict, batch_size: int | None, known: DataFacts | None = None
) -> Assembly:
    if batch_size is not None:
        config.update_from_flattened_dict({"eval.batch_size": batch_size})
    return Assembly(config, known=known)


def checkpoints(workdir: str | Path, trust_rows: bool = False) -> dict[int, Callable[[], Any]]:
    """Variables of every checkpoint of a run by step, unrolled, each read when called."""
    steps = run_folder.steps_of(Path(workdir))

    def read(step: int) -> Any:
        return load(workdir, step, trust_rows=trust_rows).scored_variables()

    return {step: partial(read, step) for step in steps}
