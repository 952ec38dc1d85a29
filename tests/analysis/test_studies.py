"""Analyses from subject to findings, on a network whose answers are products of matrices."""

from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from analysis import tiny

from resnet_jax.analysis.analyses import ANALYSES
from resnet_jax.analysis.studies import (
    cost,
    gradient_flow,
    landscape,
    lesion,
    receptive_field,
    sharpness,
    similarity,
)
from resnet_jax.analysis.subject import Examples, Subject

EVERY = (0, 1, 2, 3)


def test_every_analysis_has_its_test():
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    lacking = [name for name in ANALYSES if f"def test_{name}(" not in tests]
    assert not lacking, f"run {lacking} from subject to findings in this folder, in test_NAME"


@pytest.fixture(scope="module")
def other() -> tiny.Linear:
    return tiny.Linear(4)


def without(number: int) -> list[int]:
    return [kept for kept in EVERY if kept != number]


def test_lesion(linear):
    found = lesion.study(linear.subject(), examples=30, draws=2, paths=2)
    numbers = found.numbers
    intact = linear.top1("test")
    assert numbers["top1"] == pytest.approx(intact)
    singles = [linear.top1("test", kept=without(number)) for number in EVERY]
    assert min(singles) < intact
    assert list(numbers["deleted"]) == tiny.BLOCKS and numbers["not_deletable"] == []
    assert list(numbers["deleted"].values()) == pytest.approx(singles)

    for count, top1s in numbers["several_deleted"].items():
        possible = [linear.top1("test", kept=kept) for kept in combinations(EVERY, 4 - count)]
        assert len(top1s) == 2
        assert all(min(abs(top1 - one) for one in possible) < 1e-6 for top1 in top1s)
    nothing_left = linear.top1("test", kept=())
    assert numbers["several_deleted"][4] == pytest.approx([nothing_left] * 2)
    assert nothing_left not in singles

    # Of four blocks, the second and the third alone can change places.
    swapped = linear.top1("test", kept=(0, 2, 1, 3))
    assert swapped != intact
    for shuffle in numbers["shuffled"]:
        once = shuffle["swaps"] == 1
        assert shuffle["kendall_tau"] == pytest.approx(2 / 3 if once else 1)
        assert shuffle["top1"] == pytest.approx(swapped if once else intact)

    share, gradient = (np.array(numbers["paths"][key]) for key in ("share", "gradient"))
    np.testing.assert_allclose(share * 16, [1, 4, 6, 4, 1])
    # The shortcuts are the identity: their path has the gradient by the last block's output.
    np.testing.assert_allclose(gradient[[0, 4]], [path_size(linear, ()), path_size(linear, EVERY)],
                               rtol=1e-3)  # fmt: skip
    for length in (1, 2, 3):
        possible = [path_size(linear, through) for through in combinations(EVERY, length)]
        assert min(possible) * 0.999 < gradient[length] < max(possible) * 1.001

    bars, lines = found.figures["single"].axes[0], found.figures["several"].axes
    assert [bar.get_height() for bar in bars.patches] == pytest.approx(
        [100 * (1 - top1) for top1 in singles]
    )
    assert lines[0].lines[0].get_ydata()[0] == pytest.approx(
        100 * (1 - numbers["several_deleted"][1][0])
    )
    median, worst = np.median(singles[1:3]), min(singles[1:3])
    assert found.summary == (
        f"top1 {intact:.4f}; without one block, median {median:.4f} (worst {worst:.4f});"
        f" without a stage-opening one {singles[0]:.4f}, {singles[3]:.4f}"
    )


def path_size(linear: tiny.Linear, through: tuple[int, ...]) -> float:
    """Size of the mean loss' gradient by the first block's input along one path."""
    gradient = logit_gradients(linear, "test") @ linear.head.T
    for number in reversed(through):
        gradient = gradient @ linear.matrices[number].T
    # Every one of the 16 positions that reach the mean has a 16th.
    return float(np.linalg.norm(gradient) / np.sqrt(16))


def logit_gradients(linear: tiny.Linear, split: str) -> np.ndarray:
    images, labels = linear.splits[split]
    exponentials = np.exp(linear.logits(images))
    shares = exponentials / exponentials.sum(axis=1, keepdims=True)
    return (shares - np.eye(3)[labels]) / len(labels)


def test_lesion_of_a_plain_network():
    plain = tiny.Linear(1, shortcut="none")
    found = lesion.study(plain.subject(), examples=30, draws=1)
    expected = [plain.top1("test", kept=without(number)) for number in range(3)]
    assert list(found.numbers["deleted"]) == tiny.BLOCKS[:3]
    assert list(found.numbers["deleted"].values()) == pytest.approx(expected)
    assert found.numbers["not_deletable"] == tiny.BLOCKS[3:]
    assert found.numbers["top1"] == pytest.approx(plain.top1("test"))
    assert "paths" not in found.numbers and "paths" not in found.figures


def test_landscape(linear, other):
    found = landscape.study(
        linear.subject(), examples=20, points=3, reach=0.5, other=other.subject()
    )
    numbers = found.numbers
    plane = np.array(numbers["plane"])
    here = linear.losses("train").mean()
    assert numbers["coordinates"] == [-0.5, 0.0, 0.5]
    assert numbers["loss"] == pytest.approx(here, rel=1e-4)
    assert plane[1, 1] == pytest.approx(here, abs=2e-5)
    # The line is the plane's middle column, and the two directions lead to other places.
    np.testing.assert_allclose(numbers["line"][::2], plane[:, 1], atol=2e-5)
    assert np.abs(plane - plane.T).max() > 0.01
    edge = [plane[row, column] for row in (0, 2) for column in range(3)]
    edge += [plane[row, column] for row in range(3) for column in (0, 2)]
    low = 100 * np.mean([value < here + 1 for value in plane.ravel()])
    # The branches between two such networks are the means of theirs.
    inside = []
    for t, score in zip(numbers["between"]["t"], numbers["between"]["scores"], strict=True):
        if 0 <= t <= 1:
            images, labels = linear.splits["train"]
            between = tiny.Linear(1)
            between.head = (1 - t) * linear.head + t * other.head
            between.matrices = [
                (1 - t) * ours + t * theirs
                for ours, theirs in zip(linear.matrices, other.matrices, strict=True)
            ]
            inside.append(tiny.cross_entropies(between.logits(images), labels).mean())
            assert score["loss"] == pytest.approx(inside[-1], rel=1e-4)
    assert numbers["between"]["t"][:: len(numbers["between"]["t"]) - 1] == [-0.25, 1.25]
    assert len(inside) == 3
    assert found.summary == (
        f"loss {here:.3f}, at the edge of the plane {np.median(edge):.3g} in the median;"
        f" {low:.0f}% of it lies less than 1 above;"
        f" highest loss between the two networks {max(inside):.3g}"
    )
    assert found.figures["line"].axes[0].lines[0].get_ydata() == pytest.approx(numbers["line"])


def test_receptive_field(linear):
    found = receptive_field.study(linear.subject(), examples=4)
    # 3 of the stem, two times 2 each block; the last block's second one sees every other pixel.
    fields = zip(tiny.BLOCKS, (7, 11, 15, 21), (1, 1, 1, 2), strict=True)
    assert found.numbers["theoretical"] == {
        name: {"size": size, "stride": stride} for name, size, stride in fields
    }
    # Kernels that are taps see one pixel.
    assert found.numbers["effective_side"] == {"stage1/block3": 1.0, "stage2/block1": 1.0}
    assert found.summary == (
        "stage1/block3: 15 pixels in theory, 1.0 in effect;"
        " stage2/block1: 21 pixels in theory, 1.0 in effect"
    )


def test_similarity(linear, other):
    model = tiny.network(norm="none", stage_depths=(1,), widths=(3,), stem_width=3)
    short = linear.subject()._replace(
        model=model, variables=tiny.taps(model, other.matrices[:1], other.head)
    )
    images = linear.splits["test"].images[:12]
    own, shorts = linear.signals(images), other.signals(images)[:1]
    for compared, columns, blocks, what in (
        (None, own, tiny.BLOCKS, "neighbouring blocks"),
        (short, shorts, tiny.BLOCKS[:1], "blocks in the same place"),
    ):
        found = similarity.study(linear.subject(), examples=12, other=compared)
        table = np.array([[tiny.alignment(x, y) for y in columns] for x in own])
        np.testing.assert_allclose(found.numbers["cka"], table, atol=2e-5)
        assert (found.numbers["blocks"], found.numbers["others"]) == (tiny.BLOCKS, blocks)
        chosen = np.diagonal(table) if compared else np.diagonal(table, offset=1)
        assert found.summary == (
            f"linear CKA of {what}: median {np.median(chosen):.3f}, lowest {chosen.min():.3f}"
        )


def test_sharpness():
    """Against the differences of gradients, for a network with 54 parameters."""
    model = tiny.network(norm="none", stage_depths=(1,), widths=(1,), stem_width=1)
    # Above zero, as the images are: no difference steps over the edge of a ReLU.
    variables = jax.tree.map(lambda leaf: 0.4 * abs(leaf), tiny.variables_of(model, seed=3))
    splits = {split: Examples(tiny.coloured(8, seed), np.arange(8, dtype=np.int32) % 3)
              for seed, split in enumerate(("train", "test"))}  # fmt: skip
    subject = Subject(model, variables, lambda split, count: splits[split],
                      tiny.NAMES, tiny.SHAPE, tiny.MEAN, tiny.STD)  # fmt: skip
    found = sharpness.study(subject, examples=8, eigenvalues=2)

    flat, unflatten = jax.flatten_util.ravel_pytree(variables["params"])
    images, labels = splits["train"]

    def loss(flat):
        logits = model.apply({"params": unflatten(flat)}, images, train=False)
        logs = jax.nn.log_softmax(logits)
        return -sum(logs[row, label] for row, label in enumerate(labels)) / len(labels)

    steps = 0.001 * np.eye(54, dtype=np.float32)
    places = flat[None] + np.concatenate([steps, -steps, np.zeros_like(steps[:1])])
    losses, gradients = jax.jit(jax.vmap(jax.value_and_grad(loss)))(places)
    assert found.numbers["loss"] == pytest.approx(float(losses[-1]), rel=1e-5)
    ahead, behind = np.array(gradients, np.float64)[:-1].reshape(2, 54, 54)
    hessian = (ahead - behind) / 0.002
    eigenvalues = np.linalg.eigvalsh((hessian + hessian.T) / 2)[::-1]
    np.testing.assert_allclose(found.numbers["eigenvalues"], eigenvalues[:2], rtol=0.02)
    bars = found.figures["eigenvalues"].axes[0].patches
    assert [bar.get_height() for bar in bars] == pytest.approx(found.numbers["eigenvalues"])


def test_cost(linear, monkeypatch):
    # Every forward pass takes 3 s, but for the first that is timed.
    now = iter(np.cumsum([0.0] + [90.0, 1.0] + [3.0, 1.0] * 100))
    monkeypatch.setattr(cost, "time", SimpleNamespace(perf_counter=lambda: next(now)))
    batch = 32
    found = cost.study(linear.subject(), examples=batch)
    rows = {row["name"]: row for row in found.numbers["blocks"]}
    assert list(rows) == ["stem", *tiny.BLOCKS, "head"]
    # Two 3x3 convolutions of three features to three, with biases; on 64 positions, then on 16.
    kernel, positions = 9 * 3 * 3, {name: 64 for name in tiny.BLOCKS[:3]} | {tiny.BLOCKS[3]: 16}
    for name, places in positions.items():
        row = rows[name]
        assert row["parameters"] == 2 * (kernel + 3)
        assert row["flops"] == 2 * 2 * kernel * places
        assert row["activation_bytes"] == 2 * 4 * 3 * places
        assert row["seconds"] == pytest.approx(3 / batch)
        # Input, output and a share of the parameters, a few times over, but not once an image.
        least = 4 * (3 * 64 + 3 * places + row["parameters"] / batch)
        assert least < row["traffic_bytes"] < 12 * least
    assert rows["stem"]["seconds"] is None and rows["head"]["parameters"] == 3 * 3 + 3
    totals = {
        column: sum(row[column] for row in rows.values())
        for column in ("parameters", "flops", "activation_bytes")
    }
    assert totals.items() <= found.numbers.items()
    assert totals["parameters"] == 9 * (kernel + 3) + 12
    assert found.numbers["seconds_in_blocks"] == pytest.approx(4 * 3 / batch)
    assert found.numbers["top1"] == pytest.approx(linear.top1("test"))
    mega, milli = totals["flops"] / 1e6, 1e3 * 12 / batch
    assert found.summary == (
        f"768 parameters, {mega:,.1f} MFLOPs and {milli:.3g} ms in the blocks for an image,"
        f" top1 {linear.top1('test'):.4f}"
    )


def test_gradient_flow(linear):
    read = []

    def checkpoint():
        read.append(7)
        return linear.variables

    subject = linear.subject(checkpoints={7: checkpoint})
    found = gradient_flow.study(subject, examples=20, twins_too=False)
    numbers = found.numbers["run"]
    assert list(numbers) == ["initialisation", "step 7"] and read == [7]
    flow = numbers["step 7"]
    signals = linear.signals(linear.splits["train"].images)
    np.testing.assert_allclose(flow["mean"], [x.mean() for x in signals], rtol=1e-4)
    np.testing.assert_allclose(flow["variance"], [x.var() for x in signals], rtol=1e-3)
    gradient, sizes = logit_gradients(linear, "train") @ linear.head.T, []
    for matrix in reversed(linear.matrices):
        gradient = gradient @ (np.eye(3) + matrix).T
        sizes.insert(0, np.linalg.norm(gradient) / np.sqrt(16))
    np.testing.assert_allclose(flow["input_gradient"], sizes, rtol=1e-3)
    assert flow["first_to_last"] == pytest.approx(sizes[0] / sizes[-1], rel=1e-3)
    assert numbers["initialisation"]["mean"] != flow["mean"]
    assert found.summary.endswith(f"; step 7 {sizes[0] / sizes[-1]:.3g}")


def test_gradient_flow_starts_its_twins_from_the_seed(linear, monkeypatch):
    twin = tiny.network(norm="none", stage_depths=(1,), widths=(1,), stem_width=1)
    monkeypatch.setattr(gradient_flow, "twins", lambda model: {"small": twin})
    subject = linear.subject(seed=5)._replace(model=twin)
    found = gradient_flow.study(subject, examples=8)
    # The run's own network is its twin here, and both start from the run's seed.
    assert found.numbers["at_initialisation"] == {"small": found.numbers["run"]["initialisation"]}
    assert set(found.figures) == {"run", "twins"}
