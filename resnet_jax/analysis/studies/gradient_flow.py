"""Do signals and gradients survive depth? Their size at every block.

'Deep Residual Learning', arXiv 1512.03385, section 4.1, supposes that batch normalisation keeps
gradients of plain networks alive; 'Identity Mappings', arXiv 1603.05027, equation 5, shows why
shortcuts do.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
from jaxtyping import Array, Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from resnet_jax.analysis.blocks import changed, is_plain, names, visible
from resnet_jax.analysis.subject import (
    Examples,
    Subject,
    Tree,
    initial_variables,
    run_once,
)
from resnet_jax.models.arrangements import ARRANGEMENTS
from resnet_jax.models.kernels import KERNEL_INITS
from resnet_jax.models.norms import NORMS
from resnet_jax.models.resnet import ResNet
from resnet_jax.models.shortcuts import SHORTCUTS
from resnet_jax.reporting.drawing import STYLE, PlainNumbers
from resnet_jax.reporting.findings import Findings
from resnet_jax.tables.domains import PositiveInt


class Flow(NamedTuple):
    """Sizes of gradients and signals at every block, from the stem to the head.

    Attributes:
      input_gradient: norm of the gradient of the mean loss by the block's input, over the batch.
      parameter_gradient: norm of the gradient of the mean loss by the block's parameters.
      mean, variance: of the values of the block's output.
    """

    input_gradient: Float[np.ndarray, "blocks"]
    parameter_gradient: Float[np.ndarray, "blocks"]
    mean: Float[np.ndarray, "blocks"]
    variance: Float[np.ndarray, "blocks"]

    @property
    def ratio(self) -> float:
        """The gradient at the first block's input divided by that at the last block's."""
        return float(self.input_gradient[0] / self.input_gradient[-1])


def measure(model: ResNet, variables: Tree, examples: Examples, seed: int = 0) -> Flow:
    """One forward and one backward pass as in training, with statistics of the batch."""
    once = jax.jit(partial(_flow, model, seed=seed), compiler_options=run_once())
    measured = once(variables, *examples)
    return Flow(*(np.asarray(values, np.float64) for values in measured))


def _flow(model: ResNet, variables: Tree, images: Array, labels: Array, seed: int) -> Any:
    """The values of a Flow, in the order of its fields."""
    rest = {key: value for key, value in variables.items() if key != "params"}
    model = visible(model)

    def loss(params: Tree, shifts: list[Array] | None) -> tuple[Array, Any]:
        inputs: list[Array] = []
        signals: list[tuple[Array, Array]] = []

        def observe(number: int, block: Callable[[Array], Array], x: Array) -> Array:
            inputs.append(x)
            y = block(x if shifts is None else x + shifts[number])
            values = y.astype(jnp.float32)
            signals.append((values.mean(), values.var()))
            return y

        with changed(model, block=observe):
            logits, _ = model.apply(
                {"params": params, **rest},
                images,
                train=True,
                mutable=["batch_stats"],
                rngs={"dropout": jax.random.key(seed)},
            )
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.mean(), (inputs, signals)

    # The gradient by a zero that is added to an input equals the gradient by the input.
    inputs = jax.eval_shape(lambda params: loss(params, None)[1][0], variables["params"])
    shifts = [jnp.zeros(x.shape, x.dtype) for x in inputs]
    gradients, (_, signals) = jax.grad(loss, argnums=(0, 1), has_aux=True)(
        variables["params"], shifts
    )
    by_params, by_inputs = gradients
    of_blocks = [by_params[name.path[0]][name.path[1]] for name in names(model)]
    mean, variance = (jnp.stack(values) for values in zip(*signals, strict=True))
    return (
        jnp.stack([norm(gradient) for gradient in by_inputs]),
        jnp.stack([norm(gradient) for gradient in of_blocks]),
        mean,
        variance,
    )


def norm(tree: Tree) -> Array:
    """The Euclidean norm, computed so that no square vanishes or overflows."""
    leaves = [leaf.astype(jnp.float32) for leaf in jax.tree.leaves(tree)]
    largest = jnp.stack([jnp.abs(leaf).max() for leaf in leaves]).max()
    scale = jnp.where(largest > 0, largest, 1)
    return scale * optax.tree.norm([leaf / scale for leaf in leaves])


def twins(model: ResNet) -> dict[str, ResNet]:
    """Plain, residual and pre-activated networks with the depth and widths of this one.

    Each comes in three forms: with this network's own norm and initial kernels; without a norm and
    with He's initial kernels, which keep the size of gradients through convolution and ReLU; and
    without a norm and with PyTorch's default kernels, which have a sixth of He's variance. Where
    the network itself is plain, residual twins have option A, so that all have the same parameters.
    A shortcut that needs a pre-activated network has no other residual twin.
    """
    shortcut = SHORTCUTS["A"] if is_plain(model) else model.block.shortcut
    kinds: dict[str, dict[str, Any]] = {
        "plain": {"shortcut": SHORTCUTS["none"], "arrangement": ARRANGEMENTS["original"]},
        "residual": {"shortcut": shortcut, "arrangement": ARRANGEMENTS["original"]},
        "pre-activation": {"shortcut": shortcut, "arrangement": ARRANGEMENTS["full_preactivation"]},
    }
    starts: dict[str, dict[str, Any]] = {
        "no norm, he_fan_out": {"norm": NORMS["none"], "kernel_init": KERNEL_INITS["he_fan_out"]},
        "no norm, pytorch": {"norm": NORMS["none"], "kernel_init": KERNEL_INITS["pytorch"]},
    }
    if not model.layers.norm.absent:
        starts = {"with norm": {}, **starts}
    return {
        f"{kind}, {start}": model.clone(
            block=replace(model.block, **choice), layers=replace(model.layers, **changes)
        )
        for start, changes in starts.items()
        for kind, choice in kinds.items()
        if choice["shortcut"].after or not choice["arrangement"].after
    }


def study(subject: Subject, *, examples: PositiveInt = 128, twins_too: bool = True) -> Findings:
    """The run at its checkpoints, and its twins at initialisation.

    Args:
      twins_too: whether plain, residual and pre-activated twins are drawn beside it.
    """
    batch = subject.examples("train", examples)
    along, start = {}, {}
    for step, read in subject.checkpoints.items():
        along[f"step {step}"] = measure(subject.model, read(), batch, subject.seed)
    own = initial_variables(subject.model, subject.image_shape, subject.seed)
    along = {"initialisation": measure(subject.model, own, batch, subject.seed), **along}
    if twins_too:
        for name, model in twins(subject.model).items():
            variables = initial_variables(model, subject.image_shape, subject.seed)
            start[name] = measure(model, variables, batch, subject.seed)
    labels = [str(name) for name in names(subject.model)]
    numbers = {
        "blocks": labels,
        "examples": examples,
        "run": {name: _numbers(flow) for name, flow in along.items()},
        "at_initialisation": {name: _numbers(flow) for name, flow in start.items()},
    }
    figures = {"run": draw(along, "Gradient and signal of the run")}
    if start:
        figures["twins"] = draw(start, f"At initialisation, {len(labels)} blocks")
    shares = [f"{name} {flow.ratio:.3g}" for name, flow in (start or along).items()]
    summary = "gradient at the first block as a share of the last: " + "; ".join(shares)
    alts = {name: f"Four sizes over {len(labels)} blocks; {summary}" for name in figures}
    captions = dict.fromkeys(
        figures, "Norms of gradients of the mean loss; mean and variance of values."
    )
    return Findings(numbers, figures, summary, alts, captions)


def _numbers(flow: Flow) -> dict[str, Any]:
    values = {name: [float(f"{value:.6g}") for value in column]
              for name, column in flow._asdict().items()}  # fmt: skip
    return {"first_to_last": float(f"{flow.ratio:.6g}"), **values}


def draw(flows: dict[str, Flow], title: str) -> Figure:
    """The four sizes over the blocks, with a line for each network."""
    panels = {
        "input_gradient": "gradient by the block's input",
        "parameter_gradient": "gradient by its parameters",
        "variance": "variance of its output",
        "mean": "mean of its output",
    }
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 6.5), layout="constrained")
        figure.suptitle(title)
        for axes, (column, label) in zip(figure.subplots(2, 2).flat, panels.items(), strict=True):
            for name, flow in flows.items():
                values = getattr(flow, column)
                style = "-" if "no norm" not in name else "--" if "he_" in name else ":"
                axes.plot(np.arange(1, len(values) + 1), values, style, linewidth=1.4, label=name)
            if column != "mean":
                axes.set_yscale("log")
                axes.yaxis.set_major_formatter(PlainNumbers())
                axes.yaxis.set_minor_formatter(PlainNumbers(labelOnlyBase=False))
            elif max(np.abs(flow.mean).max() for flow in flows.values()) > 10:
                axes.set_yscale("symlog")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_xlabel("block")
            axes.set_title(label, loc="left")
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure
