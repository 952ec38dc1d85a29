"""Shows a network without training it: python -m resnet_jax summary --config=cifar10."""

from typing import Any

from absl import flags

from resnet_jax.verbs import shared_flags

FLAGS = flags.FlagValues()
_CONFIG = shared_flags.Configuration(FLAGS)


def main() -> dict[str, Any]:
    """Prints a line a layer, and returns the totals."""
    from resnet_jax.analysis import counts
    from resnet_jax.assembly import Assembly
    from resnet_jax.planning.memory import estimate

    assembly = Assembly(_CONFIG.read())
    image_shape = assembly.source.image_shape
    layers = counts.layers(assembly.model, image_shape)
    memory = estimate(assembly)
    result = {
        "parameters": sum(layer.parameters for layer in layers),
        "flops": sum(layer.flops for layer in layers),
        "activation_bytes": sum(layer.output_bytes for layer in layers),
        "state_bytes": memory.state,
        "peak_bytes": sum(memory),
        "layers": sum(layer.flops > 0 for layer in layers),
    }
    print(f"{'layer':<44}{'kind':<20}{'output':<16}{'parameters':>12}{'MFLOPs':>10}")
    for layer in layers:
        shape = "x".join(map(str, layer.output_shape))
        print(
            f"{layer.name:<44}{layer.kind:<20}{shape:<16}{layer.parameters:>12,}"
            f"{layer.flops / 1e6:>10,.2f}"
        )
    print(
        f"\n{result['parameters']:,} parameters; one {'x'.join(map(str, image_shape))} image:"
        f" {result['flops'] / 1e6:,.1f} MFLOPs forward (a multiply-add is two), "
        f"{result['activation_bytes'] / 1e6:,.2f} MB of layer outputs"
    )
    print(
        f"training with {assembly.batch_size} images on {assembly.mesh.size} devices: state"
        f" {memory.state / 1e6:,.2f} MB, batch {memory.batch / 1e6:,.2f} MB, gradients"
        f" {memory.gradients / 1e6:,.2f} MB, layer outputs {memory.activations / 1e6:,.2f} MB:"
        f" about {result['peak_bytes'] / 1e6:,.2f} MB on each device at the peak"
    )
    return result
