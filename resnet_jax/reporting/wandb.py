"""Weights & Biases, where the user asks for it."""

from pathlib import Path
from typing import Any

from resnet_jax.tables import UserError


class WandB:
    """Logs every line to one W&B run, which a resumed run continues.

    Args:
      directory: the run's workdir; its path names the W&B run.
      config: of the run, for the W&B page.
    """

    def __init__(self, directory: Path, project: str, config: dict[str, Any]):
        try:
            import wandb
        except ImportError:
            raise UserError(
                "report.wandb=True needs the wandb package: pip install wandb, or set"
                " report.wandb=False"
            ) from None
        name = str(directory.absolute()).strip("/").replace("/", "-")[-128:]
        self._run = wandb.init(
            project=project, id=name, resume="allow", dir=str(directory), config=config
        )

    def rewind(self, step: int) -> None:
        """Nothing to do: W&B keeps the first value that it saw of a step."""

    def write(self, step: int, metrics: dict[str, Any]) -> None:
        self._run.log(metrics, step=step)

    def close(self) -> None:
        self._run.finish()
