"""A compiler's figures for a compiled function: arithmetic, traffic, memory, collectives."""

from typing import Any, NamedTuple

from resnet_jax.planning import hlo
from resnet_jax.planning.hlo import Instruction, Module
from resnet_jax.planning.kernels import Kernel, executed, is_collective, kernels


class Collective(NamedTuple):
    """One collective of a compiled function.

    Attributes:
      kind: one of kernels.COLLECTIVES.
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
      kernels: what a GPU runs; of other devices none.
    """

    flops: float
    bytes: float
    temporaries: int
    arguments: int
    collectives: tuple[Collective, ...]
    kernels: tuple[Kernel, ...]
    module: Module


def figures(compiled: Any) -> Figures:
    """Reads the figures of a function that `jit(...).lower(...).compile()` returned.

    A compiler for a GPU that is not there counts nothing, so arithmetic and traffic are added up
    from the program's text.
    """
    cost, memory = compiled.cost_analysis(), compiled.memory_analysis()
    module = hlo.parse(compiled.as_text())
    found = () if cost else tuple(kernels(module))
    if not cost:
        cost = {
            "flops": sum(kernel.count * kernel.flops for kernel in found),
            "bytes accessed": sum(kernel.count * kernel.bytes for kernel in found),
        }
    return Figures(
        flops=cost["flops"],
        bytes=cost["bytes accessed"],
        temporaries=memory.temp_size_in_bytes,
        arguments=memory.argument_size_in_bytes,
        collectives=tuple(collectives(module)),
        kernels=found,
        module=module,
    )


def collectives(module: Module) -> list[Collective]:
    """Returns the collectives of a call, in their order.

    An asynchronous one is counted once, where it starts.
    """
    found = []
    for _, instruction, times in executed(module):
        inside = [
            inner
            for name in instruction.called
            for inner in module.computations[name].instructions.values()
        ]
        for one in filter(is_collective, [instruction, *inside]):
            found += [_collective(one)] * times
    return found


def _collective(instruction: Instruction) -> Collective:
    results, operands = instruction.results, len(instruction.operands)
    if instruction.opcode.endswith("-start") and len(results) >= 2 * operands:
        # The result of a start may hold the operands before the results proper.
        results = results[operands : 2 * operands]
    kind = instruction.opcode.removesuffix("-start")
    return Collective(kind, len(results), sum(shape.bytes for shape in results))
