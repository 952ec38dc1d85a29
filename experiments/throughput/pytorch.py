"""PyTorch's side: `python pytorch.py WORK eager|compile`, of photographs `... pillow|jpeg`.

The networks are those of tests/golden/write_pytorch.py, whose logits and updates the tests prove
equal to this project's.
"""

import platform
import sys
from functools import partial
from pathlib import Path

import torch
from torch import nn
from works import CLASSES, ON_A_CARD, PHOTOGRAPHS, THREADS, WORKS, Work, rate, seconds, serve

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "golden"))

from write_pytorch import ResNet

ON_CARD = sys.argv[1] in ON_A_CARD and torch.cuda.is_available()
DEVICE = "cuda" if ON_CARD else "cpu"


def network(work: Work) -> nn.Module:
    if work.family == "cifar":
        net = ResNet(((work.depth - 2) // 6,) * 3, (16, 32, 64), option="A, after")
    else:
        net = ResNet((3, 4, 6, 3), (64, 128, 256, 512), kind="bottleneck", imagenet=True)
    net.fc = nn.Linear(net.fc.in_features, CLASSES[work.family])
    return net.to(DEVICE, memory_format=torch.channels_last)


class Training:
    """A step of SGD, again and again on one batch."""

    def __init__(self, work: Work, compiled: bool):
        net = network(work).train()
        # Small kernels are launched as CUDA graphs.
        mode = "reduce-overhead" if ON_CARD and work.kind == "calls" else "default"
        self._net = torch.compile(net, mode=mode) if compiled else net
        self._bfloat16 = work.dtype == "bfloat16"
        self._optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
        self._images, self._labels = example(work)

    def __call__(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            loss = nn.functional.cross_entropy(self._net(self._images), self._labels)
        loss.backward()
        self._optimizer.step()

    def autocast(self):
        return torch.autocast(DEVICE, torch.bfloat16, enabled=self._bfloat16)

    def finish(self) -> None:
        """PyTorch on CPU has nothing under way when a call returns."""
        if ON_CARD:
            torch.cuda.synchronize()


class Inference(Training):
    """Logits in evaluation mode."""

    def __init__(self, work: Work, compiled: bool):
        super().__init__(work, compiled)
        self._net.eval()

    def __call__(self) -> None:
        with torch.inference_mode(), self.autocast():
            self._net(self._images)


class Batches:
    """The usual input of CIFAR: torchvision's transforms image by image, two worker processes."""

    def __init__(self, work: Work):
        from torchvision.transforms import v2

        transform = v2.Compose(
            [
                v2.RandomCrop(32, padding=4),
                v2.RandomHorizontalFlip(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize((0.5,) * 3, (0.25,) * 3),
            ]
        )
        images = torch.randint(0, 256, (50_000, 3, 32, 32), dtype=torch.uint8)
        labels = torch.randint(0, 10, (50_000,))

        class Images(torch.utils.data.Dataset):
            def __len__(self):
                return len(images)

            def __getitem__(self, index):
                return transform(images[index]), labels[index]

        loader = torch.utils.data.DataLoader(
            Images(), work.batch, shuffle=True, num_workers=THREADS, persistent_workers=True
        )
        self._batches = (batch for _ in iter(int, 1) for batch in loader)

    def __call__(self) -> None:
        next(self._batches)

    def finish(self) -> None:
        """The workers read ahead; a batch that is there is done."""


class Photographs:
    """torchvision's ImageFolder with its usual transforms, in two worker processes.

    Args:
      decoder: pillow, or jpeg for torchvision's own.
    """

    def __init__(self, work: Work, decoder: str):
        from torchvision import datasets, io
        from torchvision.transforms import v2

        def jpeg(path):
            return io.decode_jpeg(io.read_file(path), mode=io.ImageReadMode.RGB)

        load = {"pillow": datasets.folder.default_loader, "jpeg": jpeg}[decoder]
        crop = [v2.RandomResizedCrop(work.size, antialias=True), v2.RandomHorizontalFlip()]
        transform = v2.Compose([*crop, v2.PILToTensor()] if decoder == "pillow" else crop)
        images = datasets.ImageFolder(PHOTOGRAPHS, transform, loader=load)
        loader = torch.utils.data.DataLoader(
            images, work.batch, shuffle=True, num_workers=THREADS, drop_last=True,
            persistent_workers=True, worker_init_fn=one_thread,
        )  # fmt: skip
        self._batches = (batch for _ in iter(int, 1) for batch in loader)

    def __call__(self) -> None:
        next(self._batches)

    def finish(self) -> None:
        """The workers read ahead; a batch that is there is done."""


def one_thread(worker: int) -> None:
    torch.set_num_threads(1)


def example(work: Work) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randn(work.batch, 3, work.size, work.size, device=DEVICE)
    labels = torch.randint(0, CLASSES[work.family], (work.batch,), device=DEVICE)
    return images.to(memory_format=torch.channels_last), labels


def compiling(work: Work) -> float:
    """Seconds of torch.compile's first step, from nothing."""
    torch._dynamo.reset()
    step = Training(work, compiled=True)
    with torch.compiler.config.patch(force_disable_caches=True):
        return seconds(step)


def measurement(work: Work, compiled: bool, decoder: str = "pillow"):
    if work.kind == "compile":
        return partial(compiling, work)
    if work.kind == "photographs":
        step = Photographs(work, decoder)
    elif work.kind == "input":
        step = Batches(work)
    else:
        step = (Inference if work.kind == "inference" else Training)(work, compiled)
    for _ in range(3):
        step()
    step.finish()
    if ON_CARD:
        # Other sides compile and are measured until this one's turn comes.
        torch.cuda.empty_cache()
    return partial(rate, step, work)


if __name__ == "__main__":
    torch.manual_seed(0)
    work = {**WORKS, **ON_A_CARD}[sys.argv[1]]
    if not ON_CARD:
        torch.set_num_threads(THREADS)
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    serve(measurement(work, sys.argv[2:] == ["compile"], sys.argv[2]), versions=versions)
