"""Evaluates a run, or a file of weights: python -m resnet_jax.evaluate --workdir=runs/cifar10.

python -m resnet_jax.evaluate --config=configs/cifar10.py --weights=resnet20.safetensors
"""

from typing import Any

from resnet_jax import processes, trained
from resnet_jax.command import launch


def main() -> dict[str, Any]:
    """Returns the figures of one checkpoint or file on the evaluation split."""
    network = trained.load()
    result = network.assembly.evaluate_variables(network.variables)
    print(
        f"{network.origin}: top1 {result['top1']:.4f}, top5 {result['top5']:.4f}, loss"
        f" {result['loss']:.4f} on {result['examples']} examples"
    )
    return result


if __name__ == "__main__":
    launch(processes.together(main), needs_config=False)
