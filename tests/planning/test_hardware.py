"""What can be planned for, and the compilers that it needs."""

import os
import re

import pytest

from resnet_jax.planning import compilers, hardware
from resnet_jax.planning.compilers import NoCompiler
from resnet_jax.tables import UserError


def test_slices_and_cards():
    assert [str(on) for on in hardware.parse_all(["h100:8", " a100:16"])] == ["h100:8", "a100:16"]
    assert hardware.platform(hardware.parse("b200:8")) == "gpu"
    assert hardware.platform(hardware.parse("v5e:2x2")) == "tpu"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "--topology is empty"),
        (["h10:8"], "unknown TPU generation or card 'h10' (did you mean 'h100'?)"),
        (["h100:0"], "'h100:0' names no cards"),
        (["v5e:8"], "'v5e:8' is no TPU slice"),
        (["h100:8", "v5e:4x4"], "names TPUs and cards, which run programs of different compilers"),
    ],
)
def test_what_can_not_be_planned(texts, message):
    with pytest.raises(UserError, match=re.escape(message)):
        hardware.parse_all(texts)


def test_the_base_is_of_the_same_kind():
    cards, slice_ = hardware.parse("a100:16"), hardware.parse("v4:2x2x4")
    assert str(hardware.base(cards)) == "a100:8" and str(hardware.base(slice_)) == "v4:2x2x1"
    assert str(hardware.base(hardware.parse("v5e:16x16"))) == "v5e:2x2"
    assert str(hardware.base(cards, "h100:1")) == "h100:1"
    with pytest.raises(UserError, match="name a base of the same kind, as a100:8"):
        hardware.base(cards, "v5e:2x2")


@pytest.mark.parametrize("text", ["v5e:16x16", "b200:8"])
def test_the_sizes_of_a_figure_grow(text):
    counts = [on.chips for on in hardware.sizes(hardware.parse(text))]
    assert counts[0] == 1 and counts == sorted(set(counts))


@pytest.mark.parametrize(
    ("text", "package"),
    [("h100:8", "jax-cuda13-plugin, of the version that jax has"), ("v5e:2x2", "'jax[tpu]'")],
)
def test_without_a_compiler_one_sentence_says_what_to_install(monkeypatch, text, package):
    monkeypatch.setattr(compilers.importlib.util, "find_spec", lambda name: None)
    on = hardware.parse(text)
    assert compilers.version(on) is None
    with pytest.raises(NoCompiler, match=f"needs .* compiler: pip install {re.escape(package)}$"):
        compilers.devices(on)


@pytest.mark.parametrize("text", ["h100:8", "v5e:2x2"])
def test_the_environment_is_as_it_was(monkeypatch, text):
    """Variables that a compiler needs are gone when its devices are there, or it has refused."""
    before = dict(os.environ)
    seen = {}

    class Plugin:
        origin = "/somewhere/libtpu/__init__.py"

    def description(**arguments):
        seen.update(os.environ)
        raise RuntimeError("no such thing")

    monkeypatch.setattr("jax.experimental.topologies.get_topology_desc", description)
    monkeypatch.setattr(compilers.importlib.util, "find_spec", lambda name: Plugin)
    monkeypatch.setattr(compilers.importlib.metadata, "version", lambda name: "1.2")
    monkeypatch.setenv("TPU_SKIP_MDS_QUERY", "mine")
    with pytest.raises(UserError, match=rf"1\.2 can't compile for '{text}' \(no such thing\)"):
        compilers.devices(hardware.parse(text))
    assert seen["TPU_SKIP_MDS_QUERY"] == "mine"
    assert dict(os.environ) == before | {"TPU_SKIP_MDS_QUERY": "mine"}
    assert len(set(seen) - set(os.environ)) == {"h100:8": 1, "v5e:2x2": 4}[text]
