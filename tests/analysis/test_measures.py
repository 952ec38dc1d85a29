"""Similarity, sharpness, landscape and cost against arithmetic."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.tiny import SHAPE

from resnet_jax.analysis import counts
from resnet_jax.analysis.studies import cost, landscape, sharpness, similarity
from resnet_jax.analysis.subject import Examples, evaluator
from resnet_jax.tables import UserError


def gram(features):
    return np.asarray(similarity.gram(jnp.asarray(features)))[None]


def hsic(one, other):
    """The unbiased estimate: Song et al., JMLR 13, 2012, equation 5."""
    n = len(one)
    one, other = (gram * (1 - np.eye(n)) for gram in (one, other))
    sums = one.sum() * other.sum() / ((n - 1) * (n - 2)) - 2 * (one @ other).sum() / (n - 2)
    return (np.trace(one @ other) + sums) / (n * (n - 3))


def test_cka_is_that_of_the_features():
    draw = np.random.default_rng(0)
    x, y = draw.standard_normal((20, 3)), draw.standard_normal((20, 5)) + 4
    one, other = x @ x.T, y @ y.T
    expected = hsic(one, other) / np.sqrt(hsic(one, one) * hsic(other, other))
    assert similarity.cka(gram(x), gram(y))[0, 0] == pytest.approx(expected, rel=1e-4)


def test_cka_sees_no_rotation_scale_or_shift():
    draw = np.random.default_rng(1)
    x = draw.standard_normal((10, 4))
    rotation, _ = np.linalg.qr(draw.standard_normal((4, 4)))
    assert similarity.cka(gram(x), gram(3 * x @ rotation + 1))[0, 0] == pytest.approx(1, abs=1e-5)


def test_cka_sees_no_likeness_of_many_random_features():
    """The biased form gives 0.94 here: 32 examples, 512 features."""
    draw = np.random.default_rng(2)
    grams = [gram(draw.standard_normal((32, 512))) for _ in range(8)]
    found = [similarity.cka(one, other)[0, 0] for one in grams[:4] for other in grams[4:]]
    assert abs(np.mean(found)) < 0.03 and np.abs(found).max() < 0.15


def test_eigenvalues_of_a_quadratic_and_of_a_linear_network():
    draw = np.random.default_rng(2)
    rotation, _ = np.linalg.qr(draw.standard_normal((12, 12)))
    known = np.linspace(-9, 8, 12)  # the largest, not those of the largest size
    matrix = jnp.asarray((rotation * known) @ rotation.T, jnp.float32)

    def quadratic(params):
        x = jnp.concatenate([params["a"], params["b"].ravel()])
        return x @ matrix @ x / 2

    params = {"a": jnp.ones(4), "b": jnp.ones((2, 4))}
    found = sharpness.top_eigenvalues(quadratic, params, 3, tolerance=1e-5)
    np.testing.assert_allclose(found, known[:-4:-1], rtol=1e-3)

    # Half the mean squared error of y = w x: its Hessian is X^T X / n.
    x, y = (draw.standard_normal(shape).astype(np.float32) for shape in ((30, 6), (30,)))
    found = sharpness.top_eigenvalues(
        lambda w: ((x @ w - y) ** 2).mean() / 2, jnp.zeros(6), 2, tolerance=1e-5
    )
    np.testing.assert_allclose(found, np.linalg.eigvalsh(x.T @ x / 30)[:-3:-1], rtol=1e-3)


def test_a_direction_has_the_norms_of_the_filters_and_leaves_norms_alone():
    draw = np.random.default_rng(3)
    shapes = {"conv": {"kernel": (3, 3, 2, 4)}, "norm": {"scale": (4,)}, "head": {"kernel": (4, 4)}}
    params = jax.tree.map(
        lambda shape: jnp.asarray(draw.standard_normal(shape), jnp.float32),
        shapes, is_leaf=lambda shape: isinstance(shape, tuple),
    )  # fmt: skip
    drawn = jax.jit(landscape.direction)(params, jax.random.key(0))
    for own, its in zip(jax.tree.leaves(params), jax.tree.leaves(drawn), strict=True):
        if own.ndim < 2:
            assert not its.any()
            continue
        axes = tuple(range(own.ndim - 1))
        sizes = [np.sqrt((np.asarray(x) ** 2).sum(axis=axes)) for x in (own, its)]
        np.testing.assert_allclose(*sizes, rtol=1e-5)
        assert not np.allclose(own, its)


@pytest.fixture(scope="module")
def linear():
    """logits = x w, whose loss is known."""
    images = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 1.0]], np.float32)
    examples = Examples(images, np.array([0, 1, 1], np.int32))
    return evaluator(lambda variables, x: x @ variables["params"]["w"], examples, 2), examples


def loss_of(w, examples):
    logits = examples.images @ w
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -logs[np.arange(3), examples.labels].mean()


def test_a_surface_has_the_loss_of_every_place(linear):
    scores, examples = linear
    w = np.array([[1.0, -1.0], [0.5, 2.0]], np.float32)
    first, second = np.eye(2, dtype=np.float32), np.array([[0, 1], [3, 0]], np.float32)
    places = np.array([-1.0, 0.5])
    plane = landscape.surface(scores, {"params": {"w": w}}, ({"w": first}, {"w": second}), places)
    by_hand = [[loss_of(w + a * first + b * second, examples) for b in places] for a in places]
    np.testing.assert_allclose(plane, by_hand, rtol=1e-5)


def test_between_two_networks_lie_their_means(linear):
    scores, examples = linear
    start, end = np.eye(2, dtype=np.float32), np.full((2, 2), 3, np.float32)
    found = landscape.between(
        scores, {"params": {"w": start}}, {"params": {"w": end}}, np.array([0, 0.25, 1])
    )
    by_hand = [loss_of(w, examples) for w in (start, 0.75 * start + 0.25 * end, end)]
    np.testing.assert_allclose([point["loss"] for point in found], by_hand, rtol=1e-5)
    with pytest.raises(UserError, match="different networks"):
        landscape.between(scores, {"w": start}, {"w": start[:1]}, np.array([0.0]))


def test_scores_count_every_example_once(linear):
    scores, _ = linear
    w = np.zeros((2, 2), np.float32)
    found = scores({"params": {"w": w}})
    assert found["examples"] == 3 and found["loss"] == pytest.approx(np.log(2))
    assert found["top1"] == pytest.approx(1 / 3)


def test_blocks_cost_what_their_layers_do(residual):
    model, _ = residual
    rows = cost.counted(model, SHAPE)
    layers = counts.layers(model, SHAPE)
    assert [row.name for row in rows] == [
        "stem", "stage1/block1", "stage1/block2", "stage2/block1", "stage2/block2", "head"
    ]  # fmt: skip
    assert sum(row.parameters for row in rows) == sum(layer.parameters for layer in layers)
    assert sum(row.flops for row in rows) == sum(layer.flops for layer in layers)
    by_name = {row.name: row for row in rows}
    # Two 3x3 convolutions of 4 channels on 8x8 positions, and two norms.
    assert by_name["stage1/block2"].flops == 2 * 2 * 9 * 4 * 4 * 64
    assert by_name["stage1/block2"].parameters == 2 * 9 * 4 * 4 + 2 * 8


def test_a_block_of_its_own_is_measured_on_its_input(residual):
    model, variables = residual
    rows = {row.name: row for row in cost.measured(model, variables, SHAPE, 2, repeats=1)}
    assert rows["stem"].seconds is None and rows["stage2/block1"].seconds > 0
    # At least its input, its output and its parameters pass through memory.
    values = 8 * 8 * 4 + 4 * 4 * 8
    assert rows["stage2/block1"].traffic_bytes > 4 * values
    # Equal blocks are measured once: a stage's first one is another than those behind it.
    assert rows["stage2/block2"].traffic_bytes != rows["stage2/block1"].traffic_bytes
