"""Launches a verb: reads its flags, prints its result as JSON, and a mistake as one sentence.

A verb is a file of this folder: its first line says what it does, `FLAGS` holds its flags, and
`main(*operands)`, called once they are read, returns the result for the last line of output.
"""

import ast
import inspect
import json
import signal
import sys
import textwrap
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

from absl import flags

from resnet_jax import runtime
from resnet_jax.reporting.output import surviving
from resnet_jax.tables import Incomplete, UserError
from resnet_jax.verbs import shared_flags


class Verb(Protocol):
    """A module of this folder, or one like it.

    Attributes:
      main: its parameters are the arguments that are no flags.
    """

    __name__: str
    __doc__: str | None
    FLAGS: flags.FlagValues
    main: Callable[..., dict[str, Any]]


def launch(verb: Any, arguments: Sequence[str] | None = None) -> None:
    """Parses the flags, runs the verb and prints what it returns as the last line of output.

    A UserError ends the program with status 2 and its sentence on standard error, as do files that
    can't be read or written; Ctrl-C ends it with status 130. An Incomplete result is printed too.

    Args:
      arguments: None: the command line's, and the process may restart itself once, see
        runtime.memory.
    """
    with surviving() as output:
        status = _status(verb, arguments)
    # Nobody misses what a closed pipe did not take.
    lost = output.failure is not None and not isinstance(output.failure, BrokenPipeError)
    if status or lost:
        sys.exit(status or 2)


def _status(verb: Any, arguments: Sequence[str] | None) -> int:
    given = sys.argv[1:] if arguments is None else list(arguments)
    if {"-h", "--help"} & set(given):
        print(help_of(verb))
        return 0
    try:
        runtime.hear_interrupts()
        operands = parse(verb, given)
        if arguments is None:
            runtime.restart()
        runtime.prepare()
        peers = shared_flags.peers_of(verb.FLAGS)
        with runtime.together(peers) if peers else nullcontext():
            result = verb.main(*operands)
        print(json.dumps(result), flush=True)
    except Incomplete as error:
        print(json.dumps(error.result), flush=True)
        return _told(str(error))
    except UserError as error:
        return _told(str(error))
    except OSError as error:
        if error.errno is None:
            raise
        where = f"{error.filename}: " if error.filename else ""
        return _told(f"{where}{error.strerror}")
    except (RuntimeError, AssertionError):
        sentence = runtime.missing_device() if "jax" in sys.modules else None
        if sentence is None:
            raise
        return _told(sentence)
    except (KeyboardInterrupt, ImportError) as error:
        if not _is_interrupt(error):
            raise
        # From here on a further Ctrl-C ends the process at once.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        print("interrupted: what was saved before is kept", file=sys.stderr)
        return 130
    return 0


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether a Ctrl-C caused it: while a module in C is loaded, it becomes an ImportError."""
    if error is None or isinstance(error, KeyboardInterrupt):
        return error is not None
    return _is_interrupt(error.__cause__ or error.__context__)


def _told(sentence: str) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    return 2


def parse(verb: Verb, arguments: Sequence[str]) -> list[str]:
    """Reads the verb's flags, and returns the arguments that are no flags.

    Raises:
      UserError: an unknown flag, a value that does not fit, or another number of arguments.
    """
    values = verb.FLAGS
    values.unparse_flags()
    for name in values:
        values[name].unparse()
    values.set_gnu_getopt(True)
    try:
        given = values(["resnet-jax", *shared_flags.with_overrides(values, arguments)])[1:]
    except flags.Error as error:
        raise UserError(f"{error} (--help lists the flags)") from None
    names = operands_of(verb)
    if len(given) > len(names) and not (names and names[-1].endswith("...")):
        raise UserError(
            f"unexpected argument '{given[len(names)]}': flags are written --NAME=VALUE"
        )
    parameters = inspect.signature(verb.main).parameters.values()
    if len(given) < sum(parameter.default is parameter.empty for parameter in parameters):
        raise UserError(f"give the arguments {' '.join(names)}: {names[len(given)]} is missing")
    return given


def operands_of(verb: Verb) -> list[str]:
    """Names of the arguments that are no flags; '...' follows one that may be repeated."""
    return [
        parameter.name.upper() + ("..." if parameter.kind is parameter.VAR_POSITIONAL else "")
        for parameter in inspect.signature(verb.main).parameters.values()
    ]


def help_of(verb: Verb) -> str:
    """What the verb does, all its flags with their defaults, and the rest of its docstring."""
    values = verb.FLAGS
    name = verb.__name__.rpartition(".")[2]
    first, _, rest = inspect.cleandoc(verb.__doc__ or "").partition("\n")
    lines = [first, ""]
    lines += [" ".join(["resnet-jax", name, *operands_of(verb), "[--FLAG=VALUE ...]"]), ""]
    for flag in (values[key] for key in values):
        lines.append(f"  --[no]{flag.name}" if flag.boolean else f"  --{flag.name}=...")
        # absl adds to a flag that may be repeated how to repeat it; that is left out.
        text = str(flag.help).partition(";\n")[0]
        if flag.default not in (None, "", []):
            text += f" (default: {str(flag.default_as_str).strip(chr(39))})"
        lines += textwrap.wrap(text, 96, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join([*lines, "", rest.strip("\n")]).rstrip()


def verbs() -> dict[str, str]:
    """Every verb and the first line of its docstring, read without importing it."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found
