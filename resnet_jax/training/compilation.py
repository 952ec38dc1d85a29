"""How steps are compiled: with oneDNN's convolutions on a CPU, for equal bits on a GPU."""

import hashlib
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache
from jax.sharding import Mesh

from resnet_jax.runtime import cache_folder

# jaxlib holds YNNPACK and oneDNN, and gives convolutions to YNNPACK. With AVX-512, oneDNN makes a
# step a fifth faster.
ONEDNN = {
    "xla_cpu_experimental_onednn_custom_call": True,
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE",
}
# Versions of jaxlib: older ones have no convolutions of oneDNN, newer ones were not tried.
ONEDNN_SINCE, ONEDNN_UNTIL = (0, 12), (0, 13)
# Operations of all calls for each of a program's convolutions and products, from which on oneDNN
# saves an evaluation more time than it costs. On two cores compiling takes 0.01 s for each, which
# no cache saves. At 250 GFLOP/s ResNet-20 was evaluated 1.38 times as fast, ResNet-50 1.25 times
# with glibc's malloc and 1.11 times with mimalloc.
PAYS = 2e10

# XLA leaves out what may compute other bits in the next run, on a GPU, and goes on choosing among
# the rest by the clock.
DETERMINISTIC = {"xla_gpu_exclude_nondeterministic_ops": True}
# XLA reads the choices of its autotuning from this folder, and adds new ones to it.
CHOICES = "xla_gpu_per_fusion_autotune_cache_dir"


def onednn_options() -> dict[str, Any]:
    """Returns XLA's options for oneDNN; none where this jaxlib or processor has no oneDNN."""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return ONEDNN if x86 and ONEDNN_SINCE <= jax.__version_info__ < ONEDNN_UNTIL else {}


def compile_step(
    lowered: jax.stages.Lowered, options: Mapping[str, Any], choices: Path | None = None
) -> jax.stages.Compiled:
    """Compiles a step, or takes it from JAX's persistent cache.

    XLA can't write calls of oneDNN into that cache, and JAX would warn at each try, so a step with
    oneDNN is not cached.

    Args:
      options: XLA's.
      choices: a run's folder for what autotuning chose, which a GPU computes its bits with: the
        choices in it are taken, others are added; None: none are kept.
    """
    if choices is None:
        with no_cache() if ONEDNN.keys() & options.keys() else nullcontext():
            return lowered.compile(dict(options))
    program = hashlib.sha256(lowered.as_text().encode()).hexdigest()[:16]
    own, shared = choices / program, cache_folder("autotuning") / program
    if _disagree(own, shared):
        # The cache holds a step with the choices of another run; JAX's key does not tell.
        with no_cache():
            return lowered.compile({**options, CHOICES: str(own)})
    shared.mkdir(parents=True, exist_ok=True)
    _add(own, shared)
    compiled = lowered.compile({**options, CHOICES: str(shared)})
    if jax.process_index() == 0:
        _add(shared, own)
    return compiled


class Repeated:
    """A function of arrays that is called many times, with arguments of few shapes.

    On one CPU it gets oneDNN's convolutions where they pay; elsewhere `jax.jit` compiles it.

    Args:
      mesh: of the devices that it runs on.
      calls: how many times it is called with arguments of the same shapes.
      options: XLA's.
      jit: further arguments of `jax.jit`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        mesh: Mesh,
        calls: int,
        options: Mapping[str, Any],
        **jit: Any,
    ):
        self._jitted = jax.jit(function, compiler_options=dict(options), **jit)
        self._on_one_cpu = [device.platform for device in mesh.devices.flat] == ["cpu"]
        self._calls, self._options = calls, options
        self._compiled: dict[Any, jax.stages.Compiled] = {}

    def __call__(self, *arguments: Any) -> Any:
        if not self._on_one_cpu:
            return self._jitted(*arguments)
        leaves, structure = jax.tree.flatten(arguments)
        types = structure, *map(jax.typeof, leaves)
        if types not in self._compiled:
            lowered = self._jitted.lower(*arguments)
            options = {**onednn_where_it_pays(lowered, self._calls), **self._options}
            self._compiled[types] = compile_step(lowered, options)
        return self._compiled[types](*arguments)

    def traced(self, *arguments: Any) -> jax.stages.Traced:
        """The function, traced and not compiled."""
        return self._jitted.trace(*arguments)


def onednn_where_it_pays(lowered: jax.stages.Lowered, calls: int) -> dict[str, Any]:
    """XLA's options for oneDNN; none where a program called so often computes too little for it."""
    if not (options := onednn_options()):
        return {}
    text, cost = lowered.as_text(), lowered.cost_analysis()
    layers = text.count("stablehlo.convolution") + text.count("stablehlo.dot_general")
    return options if cost and calls * cost.get("flops", 0) >= PAYS * max(1, layers) else {}


@contextmanager
def no_cache() -> Iterator[None]:
    """While entered, JAX neither reads nor writes its persistent cache of compiled programs."""
    enabled = jax.config.jax_enable_compilation_cache
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()  # It asks for the setting only once.
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", enabled)
        compilation_cache.reset_cache()


def _disagree(one: Path, other: Path) -> bool:
    """Whether both folders hold a choice for the same operation that is not the same."""
    return any(
        (other / name).is_file() and path.read_bytes() != (other / name).read_bytes()
        for name, path in _files(one).items()
    )


def _add(source: Path, target: Path) -> None:
    """Copies the files that the target lacks; another process may do the same."""
    for name, path in _files(source).items():
        if not (target / name).exists():
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / name)


def _files(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in folder.glob("*") if path.is_file()}
