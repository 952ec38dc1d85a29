"""The kernels of an optimised HLO module, with the arithmetic and the traffic of each.

A GPU runs the instructions of the entry computation one after another, each as a kernel or a few;
loops run their bodies as often as the compiler knows, or once where it does not know. Counted are

- arithmetic: convolutions and matrix products, a multiply-add as two, the padding's taps included;
- traffic: every operand read once and every result written once, as if no cache kept anything
  between two kernels. Of an operand that a fusion slices or gathers from, the parts it takes are
  read; of one that it updates in place, the parts it replaces are written.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

from resnet_jax.planning.hlo import Computation, Instruction, Module, Shape

# What costs no time on the device, or is counted where it starts.
FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all",
        "partition-id", "replica-id", "opt-barrier", "domain"}  # fmt: skip
SLICES = {"slice", "dynamic-slice", "gather"}
UPDATES = {"dynamic-update-slice", "scatter"}
CALLS = {"while", "conditional", "call", "async-start"}
COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")


@dataclass(frozen=True)
class Kernel:
    """Equal kernels of one step on one device.

    Attributes:
      name: what runs: a library's function, the kind of a fusion, or the operation.
      reads: type of the arrays that the arithmetic reads; '' where there is no arithmetic.
      writes: type of the first result.
      shapes: of the results, for people.
      flops: of one kernel.
      bytes: that one kernel reads and writes.
      count: number of such kernels in a step.
    """

    name: str
    reads: str
    writes: str
    shapes: str
    flops: float
    bytes: float
    count: int = 1


def kernels(module: Module) -> list[Kernel]:
    """The kernels of one call, equal ones as one; collectives are left out."""
    counted: dict[Kernel, int] = {}
    for computation, instruction, times in executed(module):
        if not is_collective(instruction):
            kernel = _kernel(module, computation, instruction)
            counted[kernel] = counted.get(kernel, 0) + times
    return [replace(kernel, count=count) for kernel, count in counted.items()]


def executed(module: Module) -> Iterator[tuple[Computation, Instruction, int]]:
    """What a call runs, and how often; of a conditional, all branches."""
    return _executed(module, module.entry, 1)


def _executed(
    module: Module, computation: Computation, times: int
) -> Iterator[tuple[Computation, Instruction, int]]:
    for instruction in computation.instructions.values():
        opcode = instruction.opcode
        if opcode in CALLS:
            trips = instruction.backend_config.get("known_trip_count", {"n": 1})
            for name in instruction.called:
                yield from _executed(module, module.computations[name], times * int(trips["n"]))
        elif opcode not in FREE and not opcode.endswith(("-done", "-update")):
            yield computation, instruction, times


def is_collective(instruction: Instruction) -> bool:
    """Whether devices exchange something."""
    return instruction.opcode.removesuffix("-start") in COLLECTIVES


def _kernel(module: Module, computation: Computation, instruction: Instruction) -> Kernel:
    opcode, results = instruction.opcode.removesuffix("-start"), instruction.results
    if opcode == "fusion":
        fused = module.computations[instruction.called[0]]
        found = [arithmetic(fused, inner) for inner in fused.instructions.values()]
        flops = sum(flops for flops, _ in found)
        reads = next((reads for _, reads in found if reads), "")
        name, results, moved = _fusion_name(instruction), fused.outputs, _fusion_bytes(fused)
    else:
        name, (flops, reads) = opcode, arithmetic(computation, instruction)
        if opcode == "custom-call":
            name = instruction.target
            # The last of several results is the library's scratch memory.
            if results[1:] and results[-1].type in ("u8", "s8"):
                results = results[:-1]
        moved = _instruction_bytes(computation, instruction, results)
    return Kernel(
        name, reads, results[0].type if results else "", " ".join(map(str, results)), flops, moved
    )


def _instruction_bytes(
    computation: Computation, instruction: Instruction, results: tuple[Shape, ...]
) -> float:
    if instruction.opcode in SLICES:
        return 2.0 * instruction.bytes
    if instruction.opcode in UPDATES:
        return 2.0 * _update(computation, instruction)
    if instruction.opcode == "copy-start":
        results = results[:1]
    operands = (shape for arrays in computation.shapes(instruction) for shape in arrays)
    return float(sum(shape.bytes for shape in (*operands, *results)))


def _fusion_name(fusion: Instruction) -> str:
    """'reduce', 'scatter', 'transpose', 'loop', ...: what XLA called the fusion after."""
    stem = re.sub(r"[.\d]+$", "", fusion.name).removesuffix("_fusion").removeprefix("input_")
    return "elementwise" if stem.startswith(("loop_", "wrapped_", "fusion")) else stem


def _fusion_bytes(fused: Computation) -> float:
    """Bytes that a fusion reads and writes."""
    moved = 0.0
    replaced = set()
    for output in fused.roots:
        output = _through_bitcasts(fused, output)
        if output.opcode in UPDATES:
            moved += 2 * _update(fused, output)
            replaced.add(_through_bitcasts(fused, fused.instructions[output.operands[0]]).name)
        else:
            moved += output.bytes
    for parameter in fused.instructions.values():
        if parameter.opcode == "parameter" and parameter.name not in replaced:
            moved += _read(fused, parameter)
    return moved


def _read(fused: Computation, array: Instruction) -> float:
    """Bytes of an array that its users in a fusion read, at most the whole."""
    total = 0.0
    for user in fused.users(array.name):
        if user.opcode in SLICES and user.operands[0] == array.name:
            total += user.bytes
        elif user.opcode == "bitcast":
            total += _read(fused, user)
        else:
            return float(array.bytes)
    return min(total, float(array.bytes))


def _through_bitcasts(fused: Computation, instruction: Instruction) -> Instruction:
    while instruction.opcode == "bitcast":
        instruction = fused.instructions[instruction.operands[0]]
    return instruction


def _update(computation: Computation, instruction: Instruction) -> int:
    """Bytes of the parts that an update in place replaces."""
    place = 1 if instruction.opcode == "dynamic-update-slice" else 2
    return computation.instructions[instruction.operands[place]].bytes


def is_convolution(instruction: Instruction) -> bool:
    """Whether it is a convolution or a gradient of one, by XLA itself or by cuDNN."""
    return instruction.opcode == "convolution" or instruction.target.startswith("__cudnn$conv")


def arithmetic(computation: Computation, instruction: Instruction) -> tuple[float, str]:
    """FLOPs of a convolution or matrix product and the type that it reads; of others 0, ''."""
    if instruction.opcode not in ("convolution", "dot", "custom-call"):
        return 0.0, ""
    operands = [arrays[0] for arrays in computation.shapes(instruction) if arrays]
    if is_convolution(instruction):
        flops = _convolution_flops(instruction, operands)
    elif instruction.opcode == "dot":
        contracted = instruction.attribute("lhs_contracting_dims")
        flops = _product_flops(instruction.results[0], operands[0], contracted)
    elif instruction.target.startswith("__cublas$"):
        dimensions = instruction.backend_config["gemm_backend_config"]["dot_dimension_numbers"]
        contracted = ",".join(dimensions["lhs_contracting_dimensions"])
        flops = _product_flops(instruction.results[0], operands[0], contracted)
    else:
        return 0.0, ""
    return flops, operands[0].type


def _product_flops(result: Shape, left: Shape, contracted: str) -> float:
    return 2.0 * result.elements * prod(left.dims[int(n)] for n in contracted.split(",") if n)


def _convolution_flops(instruction: Instruction, operands: list[Shape]) -> float:
    """2 x outputs x weights that each output reads.

    The gradient of the inputs and that of the kernel take as many as the convolution itself.
    """
    result = instruction.results[0]
    output, kernel = {
        "__cudnn$convBackwardInput": (operands[0], operands[1]),
        "__cudnn$convBackwardFilter": (operands[1], result),
    }.get(instruction.target, (result, operands[1]))
    labels = re.search(r"dim_labels=\w+_(\w+)->", instruction.attributes)
    assert labels is not None, f"a convolution without dim_labels: {instruction.name}"
    features = kernel.dims[labels[1].index("o")]
    dilated = re.search(r"lhs_dilate=([\dx]+)", instruction.attribute("window"))
    # Zeros that stand between the inputs take part in no product.
    inserted = prod(int(n) for n in dilated[1].split("x")) if dilated else 1
    return 2.0 * output.elements * kernel.elements / features / inserted
