"""Compilers for hardware that is not there: libtpu, and the CUDA plugin of JAX."""

import importlib.metadata
import importlib.util
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from resnet_jax.planning.cards import Cards, target_config
from resnet_jax.planning.hardware import Hardware, platform
from resnet_jax.tables import UserError
from resnet_jax.training.compilation import DETERMINISTIC, no_cache

# Triton's matrix products, where they must have the same bits each time, can be chosen on a card
# alone. Without one cuBLAS has all of them.
CUBLAS = {"xla_gpu_enable_triton_gemm": False}


class NoCompiler(UserError):
    """Raised where a compiler is not installed; the message says how to get it."""


class Compiler(NamedTuple):
    """A compiler for one kind of hardware.

    Attributes:
      packages: modules that carry it, any of which will do, and the distribution of each.
      missing: what to say where none is installed.
    """

    packages: dict[str, str]
    missing: str


COMPILERS = {
    "tpu": Compiler(
        {"libtpu": "libtpu"},
        "compiling for a TPU needs its compiler: pip install 'jax[tpu]'",
    ),
    "gpu": Compiler(
        {
            "jax_plugins.xla_cuda13": "jax-cuda13-pjrt",
            "jax_plugins.xla_cuda12": "jax-cuda12-pjrt",
        },
        "compiling for a GPU needs the CUDA compiler: pip install jax-cuda13-plugin, of the"
        " version that jax has",
    ),
}


def version(on: Hardware) -> str | None:
    """The compiler for this hardware and its version, as 'libtpu 0.0.50'; None: not installed."""
    for package, distribution in COMPILERS[platform(on)].packages.items():
        if _is_installed(package):
            return f"{distribution} {importlib.metadata.version(distribution)}"
    return None


def devices(on: Hardware) -> list[Any]:
    """Returns devices to compile for; neither they nor a driver need be there.

    Raises:
      NoCompiler: the compiler is not installed.
      UserError: the compiler does not know this hardware.
    """
    if version(on) is None:
        raise NoCompiler(COMPILERS[platform(on)].missing)
    from jax.experimental import topologies

    if isinstance(on, Cards):
        shape = f"1x{on.hosts}x{on.in_a_host}"  # partitions, hosts, cards of a host
        settings = {"topology": shape, "target_config": target_config(on.chip)}
        # Otherwise the plugin looks for CUDA's libraries, which compiling does not need.
        surroundings = {"JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1"}
        arguments = {"platform": "cuda", "topology_name": shape, **settings}
    else:
        libtpu = importlib.util.find_spec("libtpu")
        assert libtpu is not None and libtpu.origin is not None
        # Without these, libtpu looks for a slice that this machine belongs to, and refuses to
        # compile where another process uses it.
        surroundings = {
            "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
            "TPU_LIBRARY_PATH": str(Path(libtpu.origin).with_name("libtpu.so")),
            "TPU_SKIP_MDS_QUERY": "1",
            "TPU_ACCELERATOR_TYPE": "v5litepod-4",
            "TPU_WORKER_HOSTNAMES": "localhost",
        }
        arguments = {"platform": "tpu", "topology_name": str(on)}
    with _environment(surroundings):
        try:
            description = topologies.get_topology_desc(**arguments)
        except Exception as error:
            raise UserError(f"{version(on)} can't compile for '{on}' ({error})") from None
    return list(description.devices)


def compile_absent(lowered: Any, options: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """Compiles what was lowered for such devices, with these options of XLA.

    JAX's cache of compiled programs is left alone: it can't read one for devices that are absent.
    """
    if DETERMINISTIC.items() <= options.items():
        options = {**options, **CUBLAS}
    with no_cache():
        return lowered.compile(dict(options))


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Sets those of the variables that the user has not set, until the block ends."""
    missing = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)
