"""What a PyTorch network computes from the tensors that `tensors.draw` gives it."""

import numpy as np
import torch
import torch.nn.functional as F
from tensors import BATCH, CLASSES, LEARNING_RATE, draw
from torch import nn

Arrays = dict[str, np.ndarray]


def fill(net: nn.Module) -> list[str]:
    """Gives the network its tensors, and returns their names in order."""
    state = {
        name: torch.from_numpy(draw(name, tuple(tensor.shape)))
        for name, tensor in net.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    net.double().load_state_dict(state, strict=False)
    return sorted(state)


def step(net: nn.Module, sizes: tuple[int, int]) -> tuple[Arrays, Arrays]:
    """Logits in evaluation at each size, and all tensors after a step of SGD at the first."""
    names = fill(net)
    images = [torch.from_numpy(draw(f"images{size}", (BATCH, 3, size, size))) for size in sizes]

    net.eval()
    with torch.no_grad():
        result = {f"logits{size}": net(x) for size, x in zip(sizes, images, strict=True)}

    counts = {}
    for name, module in net.named_modules():
        if isinstance(module, nn.BatchNorm2d):

            def count(module, inputs, output, name=name):
                counts[name] = output.numel() // output.shape[1]

            module.register_forward_hook(count)
    net.train()
    labels = torch.arange(BATCH) % CLASSES
    loss = F.cross_entropy(net(images[0]), labels)
    optimizer = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE)
    loss.backward()
    optimizer.step()
    result["loss"] = loss.detach()

    arrays = {
        "names": np.array(names),
        "norms": np.array(list(counts)),
        "counts": np.array(list(counts.values())),
        **{key: tensor.numpy().astype(np.float32) for key, tensor in result.items()},
    }
    state = net.state_dict()
    return arrays, {name: state[name].numpy().astype(np.float32) for name in names}
