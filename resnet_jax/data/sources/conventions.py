"""How images are prepared for published networks, and what the classes are called."""

from typing import NamedTuple

from resnet_jax.data.images.views import Views, views

CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"
)  # fmt: skip


class Convention(NamedTuple):
    """The images and classes that a network was trained on.

    Attributes:
      views: of a picture, for evaluation.
      mean, std: of each channel, on the scale of [0, 1].
    """

    views: Views
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


def convention(family: str) -> Convention:
    """The convention of a family: torchvision's for 'imagenet', akamaster's CIFAR-10 for 'cifar'.

    Weights of timm have conventions of their own, by what they were trained with and not by their
    network (A1 to A3: a crop of 95%, bicubic; Big Transfer: means of 0.5); these need a
    configuration.
    """
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    if family == "cifar":
        return Convention(views(32, crop_ratio=1.0), (32, 32, 3), CIFAR10_CLASSES, mean, std)
    return Convention(views(224), (224, 224, 3), imagenet_classes(), mean, std)


def imagenet_classes() -> tuple[str, ...]:
    """The first name of each class of ILSVRC 2012, in the order of WordNet numbers.

    TensorFlow Datasets carries the list.
    """
    from tensorflow_datasets.datasets.siscore import labels

    return tuple(names.split(",")[0] for names in labels.IMAGENET_LABELS_LIST)
