"""The whole training state of another run that a run starts from, which `init.run` names.

The new run counts its updates on from that state's, so `train.epochs` counts the epochs of both.
What the state is made of has to be the same: network, optimizer and averages. Everything else may
be another: rate, schedule, length, data, augmentation, seed.
"""

from pathlib import Path

from ml_collections import ConfigDict

from resnet_jax.assembly.identity import changes
from resnet_jax.assembly.keys import facts, of_state
from resnet_jax.assembly.run_folder import facts_before, known, steps_of
from resnet_jax.tables import UserError
from resnet_jax.training.checkpoint import Checkpoints
from resnet_jax.training.state import TrainState


def check_origin(config: ConfigDict, classes: int, steps: int) -> None:
    """Checks that the run which `init.run` names has a state that this one can go on from.

    Args:
      classes: of the run's data.
      steps: updates in the whole run.

    Raises:
      UserError: there is no such run, its state has other arrays, or as many updates already.
    """
    origin = Path(config.init.run)
    found = steps_of(origin)
    if not found:
        raise UserError(
            f"init.run={origin} holds no run with a checkpoint: give the folder of a run that has"
            " trained"
        )
    before, now = of_state(facts_before(origin)), of_state(facts(config))
    differences = changes(before, now)
    data = known(origin)
    if data is not None and len(data.class_names) != classes:
        differences.append(f"it has {len(data.class_names)} classes and the data have {classes}")
    if differences:
        raise UserError(
            f"the state of init.run={origin} has other arrays than this run ("
            f"{'; '.join(differences)}): set these keys as they were, or export its weights and"
            " start from them alone, with init.weights=FILE"
        )
    if found[-1] >= steps:
        raise UserError(
            f"init.run={origin} has made {found[-1]:,} updates, and this run ends after {steps:,}:"
            " set more train.epochs, which count from the beginning of that run"
        )


def state_of_origin(checkpoints: Checkpoints, like: TrainState) -> TrainState:
    """The newest whole state among the checkpoints of the run that `init.run` names.

    Args:
      like: see Checkpoints.restore.
    """
    found = checkpoints.restore(like, sets_aside=False)
    assert found is not None
    return found
