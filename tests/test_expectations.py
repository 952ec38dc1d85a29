"""What docs/expectations.md says is here is here: commands, flags, keys, functions and files."""

import functools
import importlib
import re
from pathlib import Path

import pytest

from resnet_jax.assembly import choices
from resnet_jax.assembly.sections import RECORDS
from resnet_jax.tables import options_of
from resnet_jax.verbs import launch

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/expectations.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith("| expected")
]
# Files that README says are written.
FILES = re.findall(r"`([\w.]+\.(?:csv|html|jsonl?))`", (ROOT / "README.md").read_text())
PEERS = {
    "timm": "pytorch-image-models|docs/timm/",
    "Lightning": "lightning.ai/docs/",
    "fastai": "docs.fast.ai/",
    "Keras": "keras.io/api/",
    "ultralytics": "docs.ultralytics.com/",
    "W&B": "docs.wandb.ai/",
}


def tables() -> dict[str, set[str]]:
    """The names that each key chooses from, where it chooses a row."""
    sections = {f"{section}.name": table for section, table in choices.SECTIONS.items()}
    return {key: set(table) for key, table in {**choices.CHOICES, **sections}.items()}


@functools.cache
def keys() -> set[str]:
    """Every key of a configuration, the options of all rows among them."""
    own = {
        f"{section}.{key}" if section else key
        for section, record in RECORDS.items()
        for key in options_of(record)
    }
    options = {
        f"{section}.{option}"
        for section, table in {**choices.SECTIONS, "data": choices.SOURCES}.items()
        for row in table.values()
        for option in options_of(row)
    }
    return own | options | {f"data.{key}" for key in choices.KEYS_OF_DATA}


def is_key(code: str) -> bool:
    key, equals, value = code.partition("=")
    return key in keys() and (not equals or value in tables().get(key, {value}))


def is_command(code: str) -> bool:
    _, verb, *arguments = code.split()
    if verb not in launch.verbs():
        return False
    module = importlib.import_module(f"resnet_jax.verbs.{verb}")
    given = [argument for argument in arguments if argument.startswith("--")]
    names = [argument.removeprefix("--").partition("=")[0] for argument in given]
    operands = [argument for argument in arguments if argument not in given]
    taken = launch.operands_of(module)
    return all(
        is_key(name.removeprefix("config.")) if "." in name else name in module.FLAGS
        for name in names
    ) and len(operands) <= len(taken)


def is_object(code: str) -> bool:
    module, _, name = code.rpartition(".")
    return hasattr(importlib.import_module(module), name)


def exists(code: str) -> bool:
    """Whether there is what a cell of the last column names."""
    if code.startswith("resnet-jax "):
        return is_command(code)
    if code.startswith("resnet_jax."):
        return is_object(code)
    if "/" in code:
        return (ROOT / code).exists()
    return is_key(code) or code in FILES


@pytest.mark.parametrize("row", [row for row in ROWS if row[2] == "yes"], ids=lambda row: row[0])
def test_what_is_here_is_found(row):
    codes = re.findall(r"`([^`]+)`", row[3])
    assert codes, "name a command, a key, a function or a file"
    assert [code for code in codes if not exists(code)] == []


def test_most_of_what_is_expected_is_here():
    answers = [row[2] for row in ROWS]
    assert len(ROWS) >= 35 and set(answers) == {"yes", "no"} and answers.count("no") <= 3
    assert len({row[0] for row in ROWS}) == len(ROWS)


def test_every_row_names_a_page_of_those_who_have_it():
    targets = dict(re.findall(r"^\[([\w-]+)\]: (\S+)$", TEXT, flags=re.MULTILINE))
    used = [re.findall(r"\[([^\]]+)\]\[([\w-]+)\]", row[1]) for row in ROWS]
    assert all(used)
    for peer, target in (pair for pairs in used for pair in pairs):
        assert re.search(PEERS[peer], targets[target]), target
    assert set(re.findall(r"\]\[([\w-]+)\]", TEXT)) == set(targets)
    assert {peer for pairs in used for peer, _ in pairs} == set(PEERS)


@pytest.mark.parametrize(
    "code",
    ["resnet-jax watch_nothing", "resnet-jax train --no_such_flag", "optim.name=sdg",
     "resnet-jax train --config.model.detph=3", "resnet_jax.models.make", "experiments/nothing",
     "model.nothing", "nothing.json"],
)  # fmt: skip
def test_what_is_not_here_is_noticed(code):
    assert not exists(code)
