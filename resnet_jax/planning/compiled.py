"""A compiler's figures for a compiled function: arithmetic, traffic, memory, collectives.

A TPU's compiler runs without a TPU. With the `libtpu` package, `tpu_devices` returns the devices of
a slice that need not exist; functions can be compiled for these devices and inspected.
"""

import importlib.metadata
import importlib.util
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from resnet_jax.tables import UserError

ITEM_BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "f32": 4, "s32": 4, "u32": 4,
              "f64": 8, "s64": 8, "u64": 8}  # fmt: skip
COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")


class Collective(NamedTuple):
    """One collective of a compiled function.

    Attributes:
      kind: one of COLLECTIVES.
      arrays: number of arrays that it carries.
      bytes: size of its results on one device.
    """

    kind: str
    arrays: int
    bytes: int


class Figures(NamedTuple):
    """The cost of one call on one device.

    Attributes:
      flops: a multiply-add is two.
      bytes: read from and written to the device's memory.
      temporaries: bytes of memory that hold neither arguments nor results.
      arguments: bytes of memory that hold the arguments.
    """

    flops: float
    bytes: float
    temporaries: int
    arguments: int
    collectives: tuple[Collective, ...]


def figures(compiled: Any) -> Figures:
    """Reads the figures of a function that `jit(...).lower(...).compile()` returned."""
    cost, memory = compiled.cost_analysis(), compiled.memory_analysis()
    return Figures(
        flops=cost["flops"],
        bytes=cost["bytes accessed"],
        temporaries=memory.temp_size_in_bytes,
        arguments=memory.argument_size_in_bytes,
        collectives=tuple(collectives(compiled.as_text())),
    )


def collectives(hlo: str) -> list[Collective]:
    """Returns the collectives of an HLO module, in the order of its text.

    An asynchronous collective is counted once, where it starts.
    """
    kinds = "|".join(COLLECTIVES)
    pattern = rf"^ .*? = (.*?) ({kinds})(-start)?\("
    found = []
    for result, kind, start in re.findall(pattern, hlo, re.MULTILINE):
        shapes = re.findall(r"\b([a-z]+\d*)\[([\d,]*)\]", result)
        if start and kind != "all-reduce":
            # The result of the start holds the operand before the result proper.
            shapes = shapes[len(shapes) // 2 :]
        sizes = [
            ITEM_BYTES[item] * int(np.prod([int(n) for n in dims.split(",") if n]))
            for item, dims in shapes
        ]
        found.append(Collective(kind, len(sizes), sum(sizes)))
    return found


def has_tpu_compiler() -> bool:
    """Whether libtpu is installed."""
    return importlib.util.find_spec("libtpu") is not None


def tpu_devices(topology: str) -> list[Any]:
    """Returns the devices of a TPU slice, which need not exist, to compile for.

    Args:
      topology: generation and shape, as 'v5e:2x2' or 'v4:2x2x1'.

    Raises:
      UserError: libtpu is not installed, or does not know the topology.
    """
    found = importlib.util.find_spec("libtpu")
    if found is None or found.origin is None:
        raise UserError(
            "compiling for a TPU needs its compiler: pip install 'jax[tpu]', which brings libtpu"
        )
    # Without these, libtpu looks for a slice that this machine belongs to.
    os.environ.setdefault("TPU_LIBRARY_PATH", str(Path(found.origin).with_name("libtpu.so")))
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-4")
    os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")

    from jax.experimental import topologies

    try:
        description = topologies.get_topology_desc(platform="tpu", topology_name=topology)
    except Exception as error:
        raise UserError(f"libtpu knows no slice '{topology}' ({error})") from None
    return list(description.devices)


def compiler_version() -> str:
    """Returns the version of libtpu."""
    return importlib.metadata.version("libtpu")
