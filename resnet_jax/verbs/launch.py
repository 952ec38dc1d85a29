"""What every verb does around its work: flags, a last line of JSON, one sentence on a mistake."""

import json
import logging as python_logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from absl import app, flags, logging

from resnet_jax import cache
from resnet_jax.tables import UserError

# Huge pages for what malloc gives: XLA takes memory for temporaries anew in every step, and small
# pages cost a CPU a seventh of its time.
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def launch(
    verb: Callable[..., dict[str, Any]], operands: Sequence[str] = (), needs_config: bool = True
) -> None:
    """Parses the flags, runs the verb and prints what it returns as the last line of output.

    A UserError ends the program with status 2 and its sentence on standard error.

    Args:
      operands: what the arguments that are no flags are called; the verb is called with them; one
        or more of the last, where that ends in '...'.
      needs_config: a verb that has a --config can't do without.
    """

    def main(arguments: list[str]) -> None:
        given = arguments[1:]
        repeats = bool(operands) and operands[-1].endswith("...")
        if len(given) > len(operands) and not repeats:
            raise UserError(
                f"unexpected argument '{given[len(operands)]}': flags are written --NAME=VALUE"
            )
        if len(given) < len(operands):
            raise UserError(
                f"give the arguments {' '.join(operands)}: {operands[len(given)]} is missing"
            )
        _prepare()
        print(json.dumps(verb(*given)), flush=True)

    _restart_with_huge_pages()
    try:
        app.run(main, flags_parser=partial(_parse_flags, needs_config=needs_config))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _restart_with_huge_pages() -> None:
    """Replaces this process by itself, once, since glibc reads its settings when a process starts.

    A GLIBC_TUNABLES of the user's own stands.
    """
    if sys.platform == "linux" and not HUGE_PAGES.keys() & os.environ.keys():
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **HUGE_PAGES})


def _prepare() -> None:
    # Orbax and JAX tell at length what goes well.
    logging.set_verbosity(logging.ERROR)
    python_logging.getLogger("jax").setLevel(python_logging.ERROR)

    import jax

    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(cache.folder("compilation")))


def _parse_flags(arguments: list[str], needs_config: bool) -> list[str]:
    _check_configuration(arguments, needs_config)
    try:
        return flags.FLAGS(arguments)
    except flags.Error as error:
        raise UserError(f"{error} (--help lists the flags)") from None


def flag_values(arguments: Sequence[str]) -> dict[str, str]:
    """The flags of a command line as text, written --NAME=VALUE or --NAME VALUE."""
    values, rest = {}, list(arguments[1:])
    while rest:
        name, equals, value = rest.pop(0).lstrip("-").partition("=")
        if not equals and rest and not rest[0].startswith("-"):
            value = rest.pop(0)
        values[name] = value
    return values


def default_workdir(arguments: Sequence[str]) -> str:
    """runs/, then the configuration's name and what it was changed by."""
    values = flag_values(arguments)
    file, _, changes = values["config"].partition(":")
    overrides = [
        f"{name.removeprefix('config.')}={value}"
        for name, value in values.items()
        if name.startswith("config.")
    ]
    parts = [Path(file).stem, *filter(None, [changes]), *overrides]
    return "runs/" + ",".join(parts).replace("/", "-")


def _check_configuration(arguments: list[str], needs_config: bool) -> None:
    """Reports what is wrong with --config=FILE and its overrides better than their parser does."""
    from resnet_jax.assembly.configuration import check_key, read

    values = flag_values(arguments)
    if "config" not in flags.FLAGS or any(name.startswith("help") for name in values):
        return
    if not values.get("config"):
        if not needs_config:
            return
        raise UserError("no configuration: give --config=FILE, for example configs/cifar10.py")
    config = read(values["config"])
    for name in values:
        if name.startswith("config."):
            check_key(config, name.removeprefix("config."))
