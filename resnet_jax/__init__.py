"""Residual networks in JAX: a config describes a run, small pure functions carry it out."""

__version__ = "0.1.0"
