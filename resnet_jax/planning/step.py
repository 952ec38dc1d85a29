"""The training step of a configuration, compiled or lowered for hardware that is not there."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
from jax import export

import resnet_jax
from resnet_jax.analysis import counts
from resnet_jax.assembly import Assembly, keys
from resnet_jax.planning import compiled, compilers, hardware
from resnet_jax.planning.costly import costly
from resnet_jax.planning.hardware import Hardware
from resnet_jax.planning.memory import abstract_batch
from resnet_jax.planning.scaling import CompiledStep, Prediction, predict
from resnet_jax.reporting import files
from resnet_jax.runtime import cache_folder
from resnet_jax.tables import UserError
from resnet_jax.training import parallel


def batch_sizes(texts: Sequence[str], config: Any) -> list[int]:
    """The batch sizes of --batch, or the configuration's own.

    Raises:
      UserError: one of them is no positive number.
    """
    for text in texts:
        if not text.isdigit() or not int(text):
            raise UserError(f"'{text}' of --batch is no number of images: give for example 1024")
    return [int(text) for text in texts] or [config.train.batch_size]


class Step:
    """The training step of a configuration.

    Args:
      examples: number of training examples; the training set is not read.
    """

    def __init__(self, config: Any, examples: int):
        self._config, self.examples = config, examples

    def _assembly(self, batch: int, devices: Sequence[Any] | None, platform: str) -> Assembly:
        config = self._config.copy_and_resolve_references()
        config.train.batch_size = batch
        if platform == "tpu":
            # Its compiler counts the body of a loop once, however often it runs.
            config.model.scan_blocks = False
        return Assembly(config, platform, devices=devices, examples=self.examples)

    def hours(self, row: Prediction) -> float:
        """Hours that all updates of the configuration take at this speed, and nothing else."""
        platform = hardware.platform(hardware.parse(row.on))
        return self._assembly(row.batch, None, platform).steps * row.step_time / 3600

    def compiled(self, on: Hardware, images: int) -> CompiledStep:
        """The step with `images` images on each chip, from the cache or the compiler.

        Raises:
          NoCompiler: the cache has no such step, and the compiler is not installed.
        """
        batch = images * on.chips
        path = cache_folder("plan") / f"{self._key(on, batch)}.json"
        if path.is_file():
            return CompiledStep.from_dict(json.loads(path.read_text()))
        platform = hardware.platform(on)
        on_gpu = platform == "gpu"
        assembly = self._assembly(batch, compilers.devices(on), platform)
        with progress(f"compiling {images} images a chip for {on}"):
            lowered = lower(assembly, batch, platform)
            ready = compilers.compile_absent(lowered, assembly.compiler_options)
            figures = compiled.figures(ready)
        program = CompiledStep(
            on=str(on),
            images=images,
            flops=figures.flops,
            bytes=figures.bytes,
            temporaries=figures.temporaries,
            state=assembly.placement.bytes_on_a_device(assembly.abstract_state),
            batch=counts.tree_bytes(abstract_batch(assembly, batch)) // on.chips,
            collectives=figures.collectives,
            kernels=figures.kernels,
            costly=tuple(costly(figures.module, self._config.model.dtype)) if on_gpu else (),
        )
        files.replace(path, json.dumps(program.as_dict(), indent=1) + "\n")
        return program

    def exactly(self, row: Prediction) -> Prediction:
        """The row with the compiler's figures for just this hardware and batch."""
        on = hardware.parse(row.on)
        if row.batch % on.chips:
            raise UserError(f"a batch of {row.batch} can't be shared by the chips of {on}")
        program = self.compiled(on, row.batch // on.chips)
        return replace(predict(program, on, row.batch), compiled=True)

    def lowered(self, batch: int) -> dict[str, int]:
        """Lowers the step for each platform, without a compiler; returns the bytes of StableHLO."""
        found = {}
        for platform, ours in (("tpu", "tpu"), ("cuda", "gpu")):
            assembly = self._assembly(batch, jax.devices()[:1], ours)
            with progress(f"lowering for {platform}"):
                exported = export.export(traced(assembly, ours), platforms=[platform])(
                    *arguments(assembly, batch)
                )
            found[platform] = len(exported.mlir_module_serialized)
        return found

    def _key(self, on: Hardware, batch: int) -> str:
        facts = keys.facts(self._config)
        facts |= keys.flatten({"mesh": self._config.mesh.to_dict()})
        for key in ("remat", "scan_blocks"):
            facts[f"model.{key}"] = self._config.model[key]
        facts["train.batch_size"] = batch
        fields = list(CompiledStep.__dataclass_fields__)
        versions = [jax.__version__, compilers.version(on), sources()]
        text = json.dumps([facts, str(on), versions, fields], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def sources() -> str:
    """A hash of the package's code, since other code may make another step of a configuration."""
    digest = hashlib.sha256()
    for path in sorted(Path(resnet_jax.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def traced(assembly: Assembly, platform: str) -> Any:
    """The step as a run compiles it, without the code that gathers its examples."""
    step = assembly.train_step
    if platform == "tpu":
        step = replace(step, unroll=True)  # for the same reason as the blocks
    placed = assembly.placement.step(partial(step, numbers=assembly.numbers))
    out_shardings = (
        assembly.placement.at_rest(assembly.abstract_state),
        parallel.replicated(assembly.mesh),
    )
    return jax.jit(placed, donate_argnums=0, out_shardings=out_shardings)


def arguments(assembly: Assembly, batch: int) -> tuple[Any, Any, Any]:
    """State, batch and key of the step, as shapes."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    everywhere = parallel.replicated(assembly.mesh)
    key = jax.ShapeDtypeStruct(key.shape, key.dtype, sharding=everywhere)
    return assembly.abstract_state, abstract_batch(assembly, batch), key


def lower(assembly: Assembly, batch: int, platform: str) -> Any:
    """The step, lowered for the devices of the assembly."""
    return traced(assembly, platform).lower(*arguments(assembly, batch))


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Prints when the work begins and ends, and every half minute how long it has taken."""
    done, start = threading.Event(), time.perf_counter()

    def tell() -> None:
        while not done.wait(30):
            print(f"{what}: {time.perf_counter() - start:.0f} s", flush=True)

    print(f"{what} ...", flush=True)
    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    print(f"{what}: done in {time.perf_counter() - start:.0f} s", flush=True)
