"""Configuration files of a user's own: what they may be, and the sentences on those that fail."""

import re

import pytest

from resnet_jax.assembly import configuration
from resnet_jax.tables import UserError


def mine(*lines: str) -> str:
    """A file that changes the smoke configuration by these lines."""
    return "\n".join(
        [
            "from configs import smoke",
            "",
            "def get_config():",
            "    config = smoke.get_config()",
            *(f"    {line}" for line in (*lines, "return config")),
        ]
    )


def dictionary(values: str, then: str = "") -> str:
    """A file whose configuration is made from a dictionary."""
    return "\n".join(
        [
            "from ml_collections import ConfigDict",
            "from configs import smoke",
            "def get_config():",
            "    values = smoke.get_config().to_dict()",
            f"    config = ConfigDict({values})",
            f"    {then}",
            "    return config",
        ]
    )


def written(folder, content):
    path = folder / "mine.py"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# What a file says, and what the sentence on it says, in this order.
BROKEN = [
    ("", ["defines no function get_config"]),
    ("get_config = 3", ["defines no function get_config"]),
    ("def get_config(:", ["line 1, raises SyntaxError", "the line is 'def get_config(:'"]),
    ("x = 1\n  y = 2", ["line 2, raises IndentationError: unexpected indent", "'y = 2'"]),
    ("import nothing_of_that_name", ["line 1, raises ModuleNotFoundError", "the line is 'import"]),
    ("from configs import smok", ["line 1, raises ImportError: cannot import name 'smok'"]),
    ("def get_config():\n    return 1 / 0",
     ["line 2, raises ZeroDivisionError", "the line is 'return 1 / 0'"]),
    (mine("config.train.bach_size = 3"),
     ["line 5, raises AttributeError", "the line is 'config.train.bach_size = 3'"]),
    (mine("config.trian.batch_size = 3"), ["line 5, raises AttributeError"]),
    (mine("config.train.batch_size = 'many'"), ["line 5, raises TypeError"]),
    (mine("config.train.batch_size = 0"), ["config.train.batch_size=0 must be a whole number"]),
    (mine("config.optim.momentun = 0.5"),
     ["optimizer 'sgd' takes no momentun (did you mean 'momentum'?)"]),
    (mine("config.data.padd = 2"), ["unknown configuration key 'data.padd' (did you mean"]),
    (mine("config.model.shortcut = {'name': 'A', 'layot': 'after'}"),
     ["shortcut 'A' takes no layot (did you mean 'layout'?)"]),
    (mine("del config.optim"), ["line 5, raises AttributeError"]),
    (mine("return None"), ["returns a NoneType: let it change and return the ConfigDict"]),
    ("def get_config():\n    return {'seed': 1}", ["returns a dict: let it"]),
    ("def get_config(one, two):\n    pass", ["raises TypeError", "missing 2 required"]),
    ("import sys\nsys.exit(3)", ["line 2, raises SystemExit: 3"]),
    ("raise RuntimeError", ["line 1, raises RuntimeError: no message"]),
    ("raise RuntimeError('one\\ntwo\\nthree')", ["line 1, raises RuntimeError: one;"]),
    (dictionary("{'seed': 1}"), ["has no model: let get_config change what"]),
    (dictionary("{**values, 'model': 3}"), ["has no model: let get_config change"]),
    (dictionary("{**values, 'train': {'steps': 3}}"), ["has no train.batch_size: let get_config"]),
    (dictionary("{**values, 'more': {'x': 1}}"), ["unknown configuration key 'more'"]),
    (b"\x7fELF\x02\x01\x01\x00\x00", ["raises SyntaxError"]),
    (b"PK\x03\x04" + bytes(30), ["raises"]),
    (b"x = '\xff\xfe'\n", ["line 1, raises SyntaxError"]),
    ("# -*- coding: no_such_code -*-", ["raises SyntaxError"]),
    ("x = " + "(" * 500, ["raises SyntaxError"]),
    ("def get_config():\n    return get_config()", ["line 2, raises RecursionError"]),
]  # fmt: skip


@pytest.mark.parametrize(("content", "words"), BROKEN)
def test_a_file_that_gives_no_configuration_is_one_sentence_with_its_line(tmp_path, content, words):
    path = written(tmp_path, content)
    with pytest.raises(UserError) as raised:
        configuration.read(str(path))
    found = str(raised.value)
    assert re.search(".*".join(map(re.escape, words)), found), found
    assert found.isprintable() and len(found) < 1_200


def test_the_line_is_that_of_the_users_file_and_not_one_below_it(tmp_path):
    path = written(tmp_path, mine("of_mine = config.model.no_such_key"))
    with pytest.raises(UserError, match=r"line 5, .*the line is 'of_mine = config\.model\.no_such"):
        configuration.read(str(path))


@pytest.mark.parametrize("name", ["folder.py", "no.py"])
def test_a_file_that_is_not_there_is_one_sentence(tmp_path, name):
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(UserError, match="there is no configuration file"):
        configuration.read(str(tmp_path / name))


def test_a_users_own_file_sets_plain_values(tmp_path):
    path = written(
        tmp_path,
        mine(
            "config.model.depth = 14",
            "config.model.widths = [4, 8, 16]",
            "config.model.stem_width = 4",
            "config.train.epochs = 3",
            "config.train.steps = None",
            "config.optim.name = 'adam'",
            "config.optim.b2 = 0.99",
            "config.optim.clip_norm = 1",
            "config.model.shortcut = {'name': 'A', 'layout': 'both_sides'}",
        ),
    )
    config = configuration.read(str(path))
    assert config.model.widths == (4, 8, 16) and config.train.steps is None
    assert (config.optim.b2, config.optim.clip_norm, config.train.epochs) == (0.99, 1.0, 3.0)
    assert type(config.optim.clip_norm) is type(config.train.epochs) is float


def test_changes_reach_a_file_whose_get_config_takes_none(tmp_path):
    path = written(tmp_path, mine())
    config = configuration.read(
        f"{path}:depth=14,shortcut=C", [("seed", "3"), ("train.steps", "7")]
    )
    assert (config.model.depth, config.model.shortcut) == (14, "C")
    assert (config.seed, config.train.steps) == (3, 7)


def test_a_configuration_of_ones_own_dictionary_is_taken_where_it_has_every_key(tmp_path):
    path = written(tmp_path, dictionary("{**values, 'seed': 9}", "config.lock()"))
    config = configuration.read(str(path), [("optim.momentum", "0.5")])
    assert config.seed == 9 and config.optim.momentum == 0.5
