"""The rewritten convolution against `lax.conv_general_dilated`, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from resnet_jax.models import convolution as module
from resnet_jax.models.convolution import apart, convolution, convolution_of_seen

CHANNELS, FEATURES = 4, 6


@pytest.fixture(autouse=True)
def one_device(monkeypatch):
    """Nothing is rewritten where there are more."""
    monkeypatch.setattr(jax, "device_count", lambda: 1)


def setting(kernel, stride, groups=1):
    return (stride, stride), [(kernel // 2, kernel // 2)] * 2, groups


def ours(kernel, stride, groups=1):
    strides, padding, groups = setting(kernel, stride, groups)
    return lambda x, w: convolution(x, w, strides, padding, feature_group_count=groups)


def reference(kernel, stride, groups=1):
    strides, padding, groups = setting(kernel, stride, groups)
    dimensions = ("NHWC", "HWIO", "NHWC")
    return lambda x, w: lax.conv_general_dilated(
        x, w, strides, padding, dimension_numbers=dimensions, feature_group_count=groups
    )


def draw(rng, kernel, size, groups=1, batch=2):
    x = rng.normal(size=(batch, *size, CHANNELS))
    return x, rng.normal(size=(kernel, kernel, CHANNELS // groups, FEATURES))


@pytest.fixture
def assert_same(rng):
    def assert_same_value_and_gradients(f, g, x, w):
        cotangent = rng.normal(size=jax.eval_shape(g, x, w).shape)

        @jax.jit
        def value_and_gradients(x, w, cotangent):
            results = []
            for convolve in (f, g):
                value, backward = jax.vjp(convolve, x, w)
                results.append((value, *backward(cotangent)))
            return results

        ours, expected = value_and_gradients(x, w, cotangent)
        for name, a, b in zip(("value", "inputs", "kernel"), ours, expected, strict=True):
            assert a.dtype == jnp.float64
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11, err_msg=name)

    return assert_same_value_and_gradients


@pytest.mark.parametrize("size", [(6, 8), (7, 5), (1, 2)], ids=["even", "odd", "tiny"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_value_and_gradients(float64, rng, assert_same, kernel, stride, size):
    x, w = draw(rng, kernel, size)
    assert_same(ours(kernel, stride), reference(kernel, stride), x, w)


@pytest.mark.parametrize(("kernel", "stride"), [(1, 2), (3, 1), (3, 2)])
def test_groups_of_channels(float64, rng, assert_same, kernel, stride):
    x, w = draw(rng, kernel, (5, 6), groups=2)
    assert_same(ours(kernel, stride, groups=2), reference(kernel, stride, groups=2), x, w)


@pytest.mark.parametrize(
    ("kernel", "stride", "batch", "images_that_fit", "products"),
    [
        (3, 1, 6, 6, 1),
        (3, 1, 6, 3, 2),
        (1, 1, 6, 3, 1),  # of 1x1 kernels there is one product, whatever fits
        (3, 2, 6, 2.5, 3),
        (3, 2, 8, 3, 4),  # 3 products would leave images over
        (3, 2, 7, 7, 1),
        (3, 2, 7, 3, 7),  # a prime batch splits into single images
        (1, 2, 7, 3, 1),
        (5, 2, 5, 0.1, 5),  # an image alone is over the limit
    ],
)
def test_groups_of_images(
    float64, rng, assert_same, monkeypatch, kernel, stride, batch, images_that_fit, products
):
    x, w = draw(rng, kernel, (5, 4), batch=batch)
    f, g = ours(kernel, stride), reference(kernel, stride)
    columns = jax.eval_shape(g, x, w).shape[2]
    rows = -(-x.shape[1] // stride)  # of x that meet the same taps
    image_bytes = rows * columns * kernel * (CHANNELS + FEATURES) * x.itemsize
    monkeypatch.setattr(module, "GROUP_BYTES", int(images_that_fit * image_bytes))

    assert_same(f, g, x, w)
    program = jax.jit(jax.grad(lambda w: f(x, w).sum())).lower(w).as_text()
    assert ("stablehlo.while" in program) == (products > 1)
    if products > 1:
        images = batch // products
        assert f"sizes = [{images}, 5, 4, {CHANNELS}]" in program


@pytest.mark.parametrize(
    ("devices", "rtol", "atol"),
    [(1, 1e-5, 1e-4), (2, 2**-8, 1e-4)],
    ids=["one CPU does not round", "otherwise once, when it is summed"],
)
@pytest.mark.parametrize("kernel", [1, 3])
def test_kernel_gradient_of_bfloat16_images(monkeypatch, rng, kernel, devices, rtol, atol):
    monkeypatch.setattr(module, "GROUP_BYTES", 1)
    monkeypatch.setattr(jax, "device_count", lambda: devices)
    x, w = draw(rng, kernel, (6, 6), batch=64)
    x, w = jnp.asarray(x, jnp.bfloat16), jnp.asarray(w, jnp.float32)
    cotangent = jnp.asarray(rng.normal(size=(64, 6, 6, FEATURES)), jnp.bfloat16)
    value, backward = jax.vjp(ours(kernel, 1), x, w)
    x_gradient, gradient = backward(cotangent)
    wide = jax.vjp(reference(kernel, 1), x.astype(jnp.float32), w)[1]
    exact = wide(cotangent.astype(jnp.float32))[1]
    assert (value.dtype, x_gradient.dtype) == (jnp.bfloat16, jnp.bfloat16)
    assert gradient.dtype == jnp.float32
    np.testing.assert_allclose(gradient, exact, rtol=rtol, atol=atol)


@pytest.mark.parametrize(("kernel", "stride"), [(1, 2), (3, 1), (3, 2)])
def test_derivatives_of_derivatives(float64, rng, monkeypatch, kernel, stride):
    monkeypatch.setattr(module, "GROUP_BYTES", 1_000)
    x, w = draw(rng, kernel, (5, 4), batch=4)
    direction = draw(rng, kernel, (5, 4), batch=4)

    def second_orders(convolve):
        gradient = jax.grad(lambda arrays: jnp.sin(convolve(*arrays)).sum())

        def slope(arrays):
            products = jax.tree.map(lambda a, b: (a * b).sum(), gradient(arrays), direction)
            return sum(products)

        forward = jax.jvp(gradient, ((x, w),), (direction,))[1]
        return forward, jax.grad(slope)((x, w))

    expected, _ = jax.jit(lambda: second_orders(reference(kernel, stride)))()
    forward, reverse = jax.jit(lambda: second_orders(ours(kernel, stride)))()
    for got in (forward, reverse):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10), got, expected)


def test_jvp_alone_is_refused(rng):
    x, w = draw(rng, 3, (4, 4))
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(ours(3, 1), (x, w), (x, w))


def lowered_gradient(platform, kernel, groups=1):
    x, w = jnp.ones((4, 6, 6, CHANNELS)), jnp.ones((kernel, kernel, CHANNELS // groups, FEATURES))
    f = jax.jit(jax.value_and_grad(lambda x, w: ours(kernel, 2, groups)(x, w).sum(), (0, 1)))
    return f.trace(x, w).lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("platform", ["tpu", "cuda"])
def test_accelerators_run_plain_convolutions(monkeypatch, platform, kernel):
    monkeypatch.setattr(module, "GROUP_BYTES", 1)
    program = lowered_gradient(platform, kernel)
    assert program.count("stablehlo.convolution") == 3
    assert "dot_general" not in program
    assert "while" not in program


def test_one_cpu_multiplies_matrices():
    assert lowered_gradient("cpu", 1).count("stablehlo.convolution") == 0
    assert lowered_gradient("cpu", 3).count("stablehlo.convolution") == 2
    assert "dot_general" in lowered_gradient("cpu", 3)


def test_several_devices_run_plain_convolutions(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 2)
    program = lowered_gradient("cpu", 1)
    assert program.count("stablehlo.convolution") == 3
    assert "dot_general" not in program


@pytest.mark.parametrize("size", [(6, 8), (7, 5)])
def test_the_pixels_that_a_strided_convolution_sees(float64, rng, assert_same, size):
    x, w = draw(rng, 1, size)

    def seen(x, w):
        return convolution_of_seen(x, w, (2, 2), ((0, 0), (0, 0)))

    assert_same(seen, reference(1, 2), x, w)


@pytest.mark.parametrize(("platform", "barriers"), [("cuda", 1), ("cpu", 0), ("tpu", 0)])
def test_apart_holds_the_gradient_on_cuda_alone(rng, platform, barriers):
    x = rng.normal(size=(2, 3))
    gradient = jax.jit(jax.grad(lambda x: (apart(x) ** 2).sum()))
    np.testing.assert_allclose(gradient(x), 2 * x, rtol=1e-6)
    program = gradient.trace(x).lower(lowering_platforms=(platform,)).as_text()
    assert program.count("optimization_barrier") == barriers


@pytest.mark.parametrize(("platform", "dilated"), [("cuda", False), ("cpu", False), ("tpu", True)])
def test_cuda_writes_no_zeros_into_a_strided_gradient(rng, platform, dilated):
    """Elsewhere the gradient is dilated for the convolution, or is a product of matrices."""
    x, w = draw(rng, 1, (6, 8))
    gradient = jax.jit(jax.grad(lambda x: ours(1, 2)(x, w).sum())).trace(x)
    program = gradient.lower(lowering_platforms=(platform,)).as_text()
    assert ("lhs_dilate = [2, 2]" in program) == dilated
