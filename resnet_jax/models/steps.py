"""The steps of an arrangement applied to an image."""

from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import Array

from resnet_jax.models.arrangements import ACTIVATION, BIAS, CONVOLUTION, NORM, Steps
from resnet_jax.models.layers import Layers


def run(
    steps: Steps,
    x: Array,
    layers: Layers,
    conv: Any = None,
    norms: Sequence[str] = (),
    preparing: Sequence[Callable[[Array], Array]] = (),
    **options: Any,
) -> Array:
    """Applies the steps to x in their order.

    Args:
      conv: the layer of the step CONVOLUTION.
      norms: names for the steps NORM, in their order.
      preparing: applied to the convolution's input, one after another.
      options: of the norm that follows the convolution.
    """
    names = iter(norms)
    if layers.norm.activates:
        # The norm's own activation takes the place of the activation that follows it.
        steps = tuple(
            step
            for before, step in zip((None, *steps), steps, strict=False)
            if (before, step) != (NORM, ACTIVATION)
        )
    for before, step, after in zip((None, *steps), steps, (*steps[1:], None), strict=False):
        if step == CONVOLUTION:
            for prepare in preparing:
                x = prepare(x)
            x = conv(x)
        elif step == NORM:
            of_convolution = options if before == CONVOLUTION else {}
            norm = layers.make_norm(name=next(names), **of_convolution)
            x = norm(x, rectify=True) if layers.rectifies and after == ACTIVATION else norm(x)
        elif step == ACTIVATION and layers.rectifies and before == NORM:
            continue
        elif step == BIAS:
            x = layers.bias()(x)
        else:
            # What the steps begin with has just been added up, but for the output of a stem.
            x = layers.activate(x, of_sum=before is None)
    return x
