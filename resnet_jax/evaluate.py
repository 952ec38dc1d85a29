"""Evaluates a trained run: python -m resnet_jax.evaluate --workdir=runs/cifar10."""

from pathlib import Path
from typing import Any

from absl import flags

from resnet_jax.command import launch

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_STEP = flags.DEFINE_integer("step", None, "Checkpoint to evaluate; by default the newest.")
_BEST = flags.DEFINE_bool("best", False, "Evaluate the checkpoint with the highest test top-1.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", None, "Examples in a batch, instead of the run's.")


def main() -> dict[str, Any]:
    """Returns the figures of one checkpoint on the evaluation split."""
    from resnet_jax import configuration
    from resnet_jax.assembly import Assembly
    from resnet_jax.tables import UserError

    workdir = Path(_WORKDIR.value)
    config = configuration.load(workdir)
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
        state = checkpoints.restore(assembly.create_state(), step, set_aside=False)
    assert state is not None
    result = assembly.evaluate(state)
    print(
        f"step {int(state.step)}: top1 {result['top1']:.4f}, top5 {result['top5']:.4f}, loss"
        f" {result['loss']:.4f} on {result['examples']} examples"
    )
    return result


if __name__ == "__main__":
    launch(main)
