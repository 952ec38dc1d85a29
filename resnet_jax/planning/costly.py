"""Operations of a compiled step that take a GPU far longer than their arithmetic would."""

import re
from typing import NamedTuple

from resnet_jax.planning.hlo import ITEM_BYTES, Instruction, Module
from resnet_jax.planning.kernels import is_convolution

# Names of types in a configuration and in HLO.
TYPES = {"bfloat16": "bf16", "float32": "f32", "float64": "f64"}


class Costly(NamedTuple):
    """One operation.

    Attributes:
      what: 'f32 convolution', 'scatter' or 'sort'.
      where: its result and its place in the network.
    """

    what: str
    where: str


def costly(module: Module, dtype: str) -> list[Costly]:
    """Finds what should not be in the step of a network.

    - A convolution of a type wider than the activations', in any direction: cuDNN takes several
      times as long, and the activations are converted first.
    - A scatter: its threads add to the same places one after another. The gradient of max pooling
      is one unless it is written otherwise.
    - A sort: what a scatter becomes where results must be the same each time.

    Args:
      dtype: of the activations, as `model.dtype` has it.
    """
    widest = ITEM_BYTES[TYPES[dtype]]
    found = []
    for computation in module.computations.values():
        for instruction in computation.instructions.values():
            if is_convolution(instruction):
                types = [arrays[0].type for arrays in computation.shapes(instruction)[:2]]
                wide = [kind for kind in types if ITEM_BYTES.get(kind, 1) > widest]
                what = f"{wide[0]} convolution" if wide else ""
            elif instruction.opcode in ("scatter", "select-and-scatter"):
                what = "scatter"
            else:
                what = (
                    "sort" if instruction.opcode == "sort" or "Sort" in instruction.target else ""
                )
            if what:
                found.append(Costly(what, _place(instruction)))
    return found


def _place(instruction: Instruction) -> str:
    name = re.search(r'op_name="([^"]*)"', instruction.attributes)
    return f"{instruction.results[0]} {name[1] if name else instruction.name}"
