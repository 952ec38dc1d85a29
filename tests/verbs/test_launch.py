"""What every verb does before its work."""

import importlib
import json
import os
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from absl import flags
from command_line import ROOT, error

from resnet_jax import runtime
from resnet_jax.runtime import memory
from resnet_jax.tables import Incomplete, UserError
from resnet_jax.verbs import launch, shared_flags
from resnet_jax.verbs.launch import verbs

SCRIPT = """
import os, sys
from types import SimpleNamespace
from absl import flags
from resnet_jax.verbs.launch import launch
launch(SimpleNamespace(FLAGS=flags.FlagValues(), main=lambda *word: {
    "restarted": "RESNET_JAX_ALLOCATOR" in os.environ, "words": word}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="on Linux alone")
@pytest.mark.parametrize("own", [None, "glibc.malloc.check=0"])
def test_a_verb_restarts_with_its_arguments_unless_the_user_chose(own):
    """What it restarts with: tests/runtime/test_memory.py."""
    variables = memory.RESTARTED, *memory.GLIBC
    environment = {key: value for key, value in os.environ.items() if key not in variables}
    if own is not None:
        environment["GLIBC_TUNABLES"] = own
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "a", "b"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == {"restarted": own is None, "words": ["a", "b"]}


def said(*arguments: str) -> tuple[str, set[str]]:
    """What the command prints, and the modules that it imports on the way."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "resnet_jax", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout, {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def test_the_command_alone_lists_the_verbs_without_importing_them():
    output, imported = said()
    for verb, line in verbs().items():
        assert f"  {verb:<10}{line}\n" in output
    assert not imported & {"jax", "numpy", "resnet_jax.verbs.train", "resnet_jax.verbs.sweep"}
    assert said("--help")[0] == output


def test_help_is_the_verbs_own_and_imports_no_framework():
    output, imported = said("analyse", "lesion", "--help")
    assert output.startswith("Studies a trained network")
    assert "  lesion --examples=1000 --draws=5 --paths=5\n" in output
    # The flags stand first: below them, the paragraphs of what the verb does.
    assert output.index("--workdir=") < output.index("  lesion --examples=1000")
    flags = re.findall(r"^  --(?:\[no\])?([\w.]+)", output, re.MULTILINE)
    assert sorted(flags) == sorted(importlib.import_module("resnet_jax.verbs.analyse").FLAGS)
    assert "Of landscape: points on each side of the plane.\n" in output
    assert "Seed of what the analysis draws. (default: 0)\n" in output
    assert not imported & {"jax", "numpy", "matplotlib", "ml_collections"}


def test_an_unknown_verb_is_one_sentence_with_the_nearest():
    assert "unknown verb 'evalaute' (did you mean 'evaluate'?); valid: analyse" in error("evalaute")


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_says_what_it_does_and_has_flags_of_its_own(verb):
    """All of them in this one process, though many have flags of the same name."""
    module = importlib.import_module(f"resnet_jax.verbs.{verb}")
    assert module.__doc__.startswith(verbs()[verb]) and len(verbs()[verb].split()) > 3
    assert isinstance(module.FLAGS, flags.FlagValues)
    for name in module.FLAGS:
        assert module.FLAGS[name].help and module.FLAGS[name] is not flags.FLAGS._flags().get(name)


@pytest.fixture
def verb():
    values = flags.FlagValues()
    config = shared_flags.Configuration(values)
    flags.DEFINE_integer("count", 1, "How many.", flag_values=values)
    return SimpleNamespace(FLAGS=values, config=config, main=lambda source, *image: {})


def test_overrides_keep_their_order_and_a_second_call_starts_anew(verb):
    arguments = ["a", "--config.seed=1", "--config.data.dir", "x=y", "--config=f.py:depth=8", "b",
                 "--config.seed", "-2", "--count=3"]  # fmt: skip
    assert launch.parse(verb, arguments) == ["a", "b"]
    assert verb.config.text == "f.py:depth=8"
    assert verb.config.overrides == [("seed", "1"), ("data.dir", "x=y"), ("seed", "-2")]
    assert verb.FLAGS["count"].value == 3
    assert launch.parse(verb, ["c", "d"]) == ["c", "d"]
    assert (verb.config.text, verb.config.overrides, verb.FLAGS["count"].value) == (None, [], 1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "give the arguments SOURCE IMAGE...: SOURCE is missing"),
        (["a"], "give the arguments SOURCE IMAGE...: IMAGE... is missing"),
        (["a", "b", "--cuont=2"], "Did you mean: count"),
        (["a", "b", "--count=x"], "invalid literal"),
        (["a", "b", "--config.seed"], "--config.seed has no value: write --config.seed=VALUE"),
    ],
)
def test_arguments_that_do_not_fit(verb, arguments, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        launch.parse(verb, arguments)


def test_a_verb_without_a_configuration_takes_no_key_of_one():
    verb = SimpleNamespace(FLAGS=flags.FlagValues(), main=lambda: {})
    with pytest.raises(UserError, match=r"Unknown command line flag 'config.seed'"):
        launch.parse(verb, ["--config.seed=1"])
    with pytest.raises(UserError, match="unexpected argument 'a'"):
        launch.parse(verb, ["a"])


def test_ctrl_c_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr(runtime, "prepare", lambda: None)
    before = signal.getsignal(signal.SIGINT)
    verb = SimpleNamespace(
        FLAGS=flags.FlagValues(), main=lambda: os.kill(os.getpid(), signal.SIGINT)
    )
    try:
        with pytest.raises(SystemExit) as ended:
            launch.launch(verb, [])
        # A further one ends the process at once, where it would be a traceback.
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "interrupted: what was saved before is kept\n")


def test_a_ctrl_c_that_a_module_in_c_makes_an_import_error_of(capsys):
    def main():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise ImportError("initialization failed") from error

    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as ended:
            launch.launch(SimpleNamespace(FLAGS=flags.FlagValues(), main=main), [])
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "interrupted: what was saved before is kept\n")


def test_another_import_error_stays_what_it_is():
    def main():
        raise ImportError("no module named seaborn")

    with pytest.raises(ImportError, match="seaborn"):
        launch.launch(SimpleNamespace(FLAGS=flags.FlagValues(), main=main), [])


FINALISER = """
import gc, os, signal, sys, time
from types import SimpleNamespace
from absl import flags
from resnet_jax.verbs.launch import launch

def interrupt(phase, info):
    if sys.argv[1:]:
        sys.argv.pop()
        os.kill(os.getpid(), signal.SIGINT)
        [None for _ in range(10)]

def work():
    gc.callbacks.append(interrupt)
    gc.collect()
    time.sleep(60)

launch(SimpleNamespace(FLAGS=flags.FlagValues(), main=work), [])
"""


def test_ctrl_c_inside_the_garbage_collector_is_not_lost():
    """JAX has a callback there, in which Python would drop it after a traceback.

    As in jax-ml/jax issue 18246.
    """
    done = subprocess.run([sys.executable, "-c", FINALISER, "once"], cwd=ROOT, capture_output=True,
                          text=True, timeout=120)  # fmt: skip
    assert done.returncode == 130
    assert done.stderr == "interrupted: what was saved before is kept\n"


def test_files_that_cannot_be_written_are_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runtime, "prepare", lambda: None)
    path = tmp_path / "folder"
    path.mkdir()
    verb = SimpleNamespace(FLAGS=flags.FlagValues(), main=lambda: path.write_text("x"))
    with pytest.raises(SystemExit) as ended:
        launch.launch(verb, [])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: {path}: Is a directory\n"


def test_what_could_be_done_is_printed_before_the_sentence(monkeypatch, capsys):
    monkeypatch.setattr(runtime, "prepare", lambda: None)

    def work():
        raise Incomplete("one of two failed", {"done": ["a"]})

    with pytest.raises(SystemExit) as ended:
        launch.launch(SimpleNamespace(FLAGS=flags.FlagValues(), main=work), [])
    assert ended.value.code == 2
    assert capsys.readouterr() == ('{"done": ["a"]}\n', "error: one of two failed\n")
