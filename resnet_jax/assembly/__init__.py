"""Makes a run from a configuration. No other room reads the keys of a configuration."""

from resnet_jax.assembly.assembly import Assembly

__all__ = ["Assembly"]
