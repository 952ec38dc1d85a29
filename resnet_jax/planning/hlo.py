"""Reads the text of an optimised HLO module: computations, instructions, shapes.

The text is what `compiled.as_text()` gives; openxla.org/xla/operation_semantics says what the
operations mean.
"""

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

ITEM_BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s16": 2, "u16": 2, "f32": 4,
              "s32": 4, "u32": 4, "f64": 8, "s64": 8, "u64": 8, "c64": 8, "c128": 16}  # fmt: skip

_ARRAY = re.compile(r"\b(pred|bf16|f8\w*|token|[fsuc]\d+)\[([\d,]*)\]")
_NAME = re.compile(r"^\s*(?:ROOT )?%?([\w.-]+) = ")
# A name, perhaps behind its shape: 'x', '%x', 'f32[2,8]{1,0} %x'.
_OPERAND = re.compile(r"%?([A-Za-z_][\w.-]*)(?=\s*(?:,|$))")
_HEADER = re.compile(r"^(ENTRY )?%?([\w.-]+) (?:\(.*\) -> .*)?\{$")


class Shape(NamedTuple):
    """One array: its type, as 'bf16', and its dimensions."""

    type: str
    dims: tuple[int, ...]

    @property
    def elements(self) -> int:
        return prod(self.dims)

    @property
    def bytes(self) -> int:
        return self.elements * ITEM_BYTES.get(self.type, 1)

    def __str__(self) -> str:
        return f"{self.type}[{','.join(map(str, self.dims))}]"


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
      results: its arrays, those of a tuple one after another.
      operands: names of the instructions that it reads; for a parameter or constant, its text.
      attributes: the text behind the operands, from the first comma.
    """

    name: str
    opcode: str
    results: tuple[Shape, ...]
    operands: tuple[str, ...]
    attributes: str
    is_root: bool

    @property
    def bytes(self) -> int:
        """Bytes of the results."""
        return sum(shape.bytes for shape in self.results)

    def attribute(self, name: str) -> str:
        """The value of 'name=value' or 'name={value}' or 'name="value"'; '' where there is none."""
        found = re.search(rf'\b{name}=(?:\{{([^}}]*)\}}|"([^"]*)"|([^\s,]+))', self.attributes)
        return next((group for group in found.groups() if group is not None), "") if found else ""

    @property
    def target(self) -> str:
        """The function that a custom call calls; '' of other instructions."""
        return self.attribute("custom_call_target")

    @property
    def called(self) -> tuple[str, ...]:
        """Names of the computations that it runs; those that a reduction applies are no such."""
        names = [self.attribute(key) for key in ("calls", "body", "condition")]
        if self.opcode == "call":
            names.append(self.attribute("to_apply"))
        names += self.attribute("branch_computations").split(",")
        names += [self.attribute("true_computation"), self.attribute("false_computation")]
        return tuple(name.strip().lstrip("%") for name in names if name.strip())

    @cached_property
    def backend_config(self) -> dict[str, Any]:
        """What the backend noted for itself."""
        _, found, text = self.attributes.partition("backend_config=")
        return json.JSONDecoder().raw_decode(text)[0] if found and text.startswith("{") else {}


@dataclass
class Computation:
    """Instructions in the order of the text, by name."""

    name: str
    instructions: dict[str, Instruction] = field(default_factory=dict)

    @property
    def root(self) -> Instruction:
        return next(i for i in self.instructions.values() if i.is_root)

    @property
    def roots(self) -> list[Instruction]:
        """What it returns: the root, or what the root's tuple holds."""
        root = self.root
        if root.opcode != "tuple":
            return [root]
        return [self.instructions[name] for name in root.operands]

    @property
    def outputs(self) -> tuple[Shape, ...]:
        return tuple(shape for root in self.roots for shape in root.results)

    def shapes(self, instruction: Instruction) -> list[tuple[Shape, ...]]:
        """The arrays of each operand."""
        return [self.instructions[name].results for name in instruction.operands]

    def users(self, name: str) -> list[Instruction]:
        return [i for i in self.instructions.values() if name in i.operands]


@dataclass(frozen=True)
class Module:
    """The computations of a module by name, and the one where it starts."""

    computations: dict[str, Computation]
    entry: Computation


def parse(text: str) -> Module:
    """Reads a module.

    Raises:
      ValueError: the text has no entry computation.
    """
    computations: dict[str, Computation] = {}
    entry = current = None
    for line in text.splitlines():
        if header := _HEADER.match(line):
            current = computations[header[2]] = Computation(header[2])
            if header[1]:
                entry = current
        elif current and (named := _NAME.match(line)):
            found = _instruction(named[1], line, line[named.end() :])
            current.instructions[found.name] = found
    if entry is None:
        raise ValueError("this text is no HLO module: no computation is marked ENTRY")
    return Module(computations, entry)


def _instruction(name: str, line: str, text: str) -> Instruction:
    end = _closing(text) + 1 if text.startswith("(") else text.index(" ")
    shape, rest = text[:end], text[end:].lstrip()
    opcode, _, rest = rest.partition("(")
    end = _closing("(" + rest) - 1
    inside, attributes = rest[:end], rest[end + 1 :]
    if opcode in ("parameter", "constant"):
        operands: tuple[str, ...] = (inside,)
    else:
        operands = tuple(_OPERAND.findall(inside))
    results = tuple(
        Shape(kind, tuple(int(n) for n in dims.split(",") if n))
        for kind, dims in _ARRAY.findall(shape)
    )
    is_root = line.lstrip().startswith("ROOT ")
    return Instruction(name, opcode, results, operands, attributes, is_root)


def _closing(text: str) -> int:
    """Place of the parenthesis that closes the one with which the text starts."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if not depth:
            return place
    raise ValueError(f"no parenthesis closes {text[:80]!r}")
