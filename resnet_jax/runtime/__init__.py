"""Process-wide settings: the allocator, precision, caches, logging, and the processes of a run.

Only the command line calls these functions, so importing the package changes nothing process-wide.
`allocator`, `cache_folder` and `core_count` change nothing and are for everyone.
"""

from resnet_jax.runtime.machine import cache_folder, core_count
from resnet_jax.runtime.memory import allocator, hear_interrupts, restart
from resnet_jax.runtime.processes import Peers, ending_together, together
from resnet_jax.runtime.settings import compute_in, hush_orbax, missing_device, prepare

__all__ = [
    "Peers",
    "allocator",
    "cache_folder",
    "compute_in",
    "core_count",
    "ending_together",
    "hear_interrupts",
    "hush_orbax",
    "missing_device",
    "prepare",
    "restart",
    "together",
]
