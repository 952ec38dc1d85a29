"""Reads other people's weights and writes ours: PyTorch's state dicts <-> Flax variables."""

from resnet_jax.weights.files import read_tensors, write_tensors
from resnet_jax.weights.mapping import Fitted, to_tensors, to_variables

__all__ = ["Fitted", "read_tensors", "to_tensors", "to_variables", "write_tensors"]
