"""Steps compiled with oneDNN's convolutions, and with the choices that a run keeps."""

import platform
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import default
from resnet_jax.assembly import Assembly
from resnet_jax.models.convolution import convolution
from resnet_jax.training import compilation, parallel
from resnet_jax.training.compilation import (
    DETERMINISTIC,
    ONEDNN,
    PAYS,
    Repeated,
    compile_step,
    onednn_options,
)

has_onednn = pytest.mark.skipif(not onednn_options(), reason="this jaxlib has no oneDNN here")


def lowered(kernel, stride, groups=1):
    """Value and gradients of a convolution with as many channels as YNNPACK takes, and for what."""

    @jax.jit
    def value_and_gradients(x, weights):
        def convolve(x, weights):
            padding = [(kernel // 2, kernel // 2)] * 2
            strides = (stride, stride)
            return convolution(x, weights, strides, padding, feature_group_count=groups)

        value, backward = jax.vjp(convolve, x, weights)
        return value, backward(jnp.sin(jnp.arange(value.size)).reshape(value.shape))

    draw = np.random.default_rng(0)
    x = draw.normal(size=(4, 8, 7, 32)).astype(np.float32)
    weights = draw.normal(size=(kernel, kernel, 32 // groups, 32)).astype(np.float32)
    return value_and_gradients.lower(x, weights), (x, weights)


@has_onednn
@pytest.mark.parametrize(
    ("kernel", "stride", "groups"), [(3, 1, 1), (3, 2, 1), (7, 2, 1), (1, 1, 1), (3, 1, 4)]
)
def test_onednn_computes_the_same(kernel, stride, groups):
    step, arguments = lowered(kernel, stride, groups)
    plain, onednn = (compile_step(step, options) for options in ({}, onednn_options()))
    assert "onednn$" not in plain.as_text()
    assert ("onednn$convolution" in onednn.as_text()) == (kernel > 1)
    for one, other in zip(*(jax.tree.leaves(f(*arguments)) for f in (plain, onednn)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())


@has_onednn
@pytest.mark.parametrize(("times", "taken"), [(0.5, False), (2.0, True)])
def test_a_repeated_function_has_onednn_where_it_pays(monkeypatch, times, taken):
    """Two convolutions of 3x3 over images of 64 pixels in 32 channels, four images a call."""
    compiled = []

    def watched(*arguments):
        compiled.append(compile_step(*arguments))
        return compiled[-1]

    def convolve(x, kernels):
        for kernel in kernels:
            x = convolution(x, kernel, (1, 1), ((1, 1), (1, 1)))
        return x

    monkeypatch.setattr(compilation, "compile_step", watched)
    draw = np.random.default_rng(0)
    x = draw.normal(size=(4, 8, 8, 32)).astype(np.float32)
    kernels = draw.normal(size=(2, 3, 3, 32, 32)).astype(np.float32)
    multiply_adds = x.size * 32 * 9
    calls = int(times * PAYS / (2 * multiply_adds))
    mesh = parallel.make_mesh(devices=jax.devices("cpu")[:1])
    repeated = Repeated(convolve, mesh, calls, {})
    found = [repeated(x, kernels), repeated(2 * x, kernels)]
    (program,) = compiled
    assert ("onednn$convolution" in program.as_text()) == taken
    np.testing.assert_allclose(found[0], jax.jit(convolve)(x, kernels), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found[1], 2 * found[0], rtol=1e-4, atol=1e-3)


@has_onednn
def test_the_cache_is_left_alone_and_then_used_again():
    """JAX would warn that it can't write there, which is an error in these tests."""
    name = "jax_persistent_cache_min_compile_time_secs"
    before = getattr(jax.config, name)
    jax.config.update(name, 0.0)
    try:
        compile_step(lowered(5, 1)[0], onednn_options())
        assert getattr(jax.config, name) == 0
    finally:
        jax.config.update(name, before)


@pytest.mark.parametrize(
    ("machine", "version", "expected"),
    [
        ("x86_64", (0, 12, 0), ONEDNN),
        ("AMD64", (0, 12, 3), ONEDNN),
        ("aarch64", (0, 12, 0), {}),
        ("x86_64", (0, 11, 2), {}),
        ("x86_64", (0, 13, 0), {}),
    ],
)
def test_where_there_is_onednn(monkeypatch, machine, version, expected):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(jax, "__version_info__", version)
    assert onednn_options() == expected


def test_this_jax_was_tried():
    """If not: try ONEDNN with it, measure, and raise ONEDNN_UNTIL."""
    assert jax.__version_info__ < compilation.ONEDNN_UNTIL


@pytest.mark.parametrize(
    ("onednn", "deterministic", "backend", "expected"),
    [
        (True, True, "cpu", ONEDNN),
        (False, True, "cpu", {}),
        (True, True, "tpu", {}),
        (True, True, "gpu", DETERMINISTIC),
        (True, False, "gpu", {}),
    ],
)
def test_the_configuration_and_the_platform_decide(
    monkeypatch, tmp_path, onednn, deterministic, backend, expected
):
    monkeypatch.setattr("resnet_jax.assembly.assembly.onednn_options", lambda: ONEDNN)
    config = default.get_config()
    config.data.update(source="synthetic", image_size=8, classes=2, examples=4,
                       mean=(0.0,) * 3, std=(1.0,) * 3)  # fmt: skip
    config.train.update(onednn=onednn, deterministic=deterministic)
    run = Assembly(config, platform=backend).run(tmp_path)
    assert run.compiler_options == expected
    assert (run.choices == tmp_path / "autotuning") == (expected == DETERMINISTIC)


class OnAGpu:
    """A lowered step whose compiler chooses by the clock what its folder has not."""

    def __init__(self, clock):
        self._clock = clock

    def as_text(self):
        return "a step"

    def compile(self, options):
        """Returns the choices that the step was compiled with, and whether JAX may cache it."""
        folder = Path(options[compilation.CHOICES])
        folder.mkdir(parents=True, exist_ok=True)
        for operation in ("one", "other"):
            if not (folder / operation).exists():
                (folder / operation).write_text(f"{operation} by {self._clock}")
        chosen = {path.name: path.read_text() for path in folder.iterdir()}
        return chosen, jax.config.jax_enable_compilation_cache


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_runs_share_what_was_chosen_and_keep_it(cache, tmp_path):
    first, cached = compile_step(OnAGpu("Monday"), DETERMINISTIC, tmp_path / "a")
    assert cached and first["one"] == "one by Monday"
    assert compile_step(OnAGpu("Tuesday"), DETERMINISTIC, tmp_path / "b") == (first, True)


def test_a_run_goes_on_with_its_choices_where_nothing_was_chosen(cache, tmp_path):
    first, _ = compile_step(OnAGpu("Monday"), DETERMINISTIC, tmp_path / "a")
    shutil.rmtree(cache)
    assert compile_step(OnAGpu("Tuesday"), DETERMINISTIC, tmp_path / "a") == (first, True)


def test_a_run_goes_on_with_its_choices_where_another_run_chose_anew(cache, tmp_path):
    """JAX's cache may hold the other run's step, so it is left alone."""
    first, _ = compile_step(OnAGpu("Monday"), DETERMINISTIC, tmp_path / "a")
    shutil.rmtree(cache)
    second, _ = compile_step(OnAGpu("Tuesday"), DETERMINISTIC, tmp_path / "b")
    assert second != first
    assert compile_step(OnAGpu("Wednesday"), DETERMINISTIC, tmp_path / "a") == (first, False)
    assert compile_step(OnAGpu("Wednesday"), DETERMINISTIC, tmp_path / "b") == (second, True)


def test_a_run_keeps_its_choices_where_no_cache_can_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    first, _ = compile_step(OnAGpu("Monday"), DETERMINISTIC, tmp_path / "a")
    assert compile_step(OnAGpu("Tuesday"), DETERMINISTIC, tmp_path / "a") == (first, True)
