"""Trains: python -m resnet_jax.main --config=configs/cifar10.py --workdir=runs/cifar10."""

from resnet_jax.verbs import train
from resnet_jax.verbs.launch import launch

if __name__ == "__main__":
    launch(train)
