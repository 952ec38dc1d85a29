"""Published accuracies, to stand beside one's own, and AlexNet's errors under corruption."""

from typing import NamedTuple


class Published(NamedTuple):
    """A figure of a network on a test set.

    Attributes:
      metric: top1, or mce, the mean corruption error.
      value: a fraction.
    """

    test_set: str
    network: str
    metric: str
    value: float
    source: str


_HE = "arXiv 1512.03385, Table 3, ten crops"
_STRIKES_BACK = "arXiv 2110.00476, Table 3"
_TORCHVISION = "torchvision's documentation of its weights"

PUBLISHED = (
    Published("imagenet", "ResNet-34 C", "top1", 0.7581, _HE),
    Published("imagenet", "ResNet-50", "top1", 0.7715, _HE),
    Published("imagenet", "ResNet-101", "top1", 0.7825, _HE),
    Published("imagenet", "ResNet-152", "top1", 0.7857, _HE),
    Published("imagenet", "ResNet-50, IMAGENET1K_V1", "top1", 0.7613, _TORCHVISION),
    Published("imagenet", "ResNet-50, IMAGENET1K_V2", "top1", 0.80858, _TORCHVISION),
    Published("imagenet", "ResNet-50, A1", "top1", 0.804, _STRIKES_BACK),
    Published("imagenet", "ResNet-50, A2", "top1", 0.798, _STRIKES_BACK),
    Published("imagenet", "ResNet-50, A3", "top1", 0.781, _STRIKES_BACK),
    Published("imagenet_real", "ResNet-50, A1", "top1", 0.857, _STRIKES_BACK),
    Published("imagenet_real", "ResNet-50, A2", "top1", 0.854, _STRIKES_BACK),
    Published("imagenet_real", "ResNet-50, A3", "top1", 0.845, _STRIKES_BACK),
    Published("imagenet_v2", "ResNet-50, A1", "top1", 0.687, _STRIKES_BACK),
    Published("imagenet_v2", "ResNet-50, A2", "top1", 0.679, _STRIKES_BACK),
    Published("imagenet_v2", "ResNet-50, A3", "top1", 0.661, _STRIKES_BACK),
    Published("imagenet_v2", "ResNet-50", "top1", 0.633, "arXiv 1902.10811, matched frequency"),
    Published("imagenet_r", "ResNet-50", "top1", 0.361, "arXiv 2006.16241, Table 1"),
    Published("imagenet_c", "ResNet-50", "mce", 0.767, "arXiv 1903.12261, Table 1"),
)

# Mean over the five severities (Hendrycks & Dietterich, arXiv 1903.12261; the AlexNet row of its
# code's results).
ALEXNET_ERRORS = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}


def mean_corruption_error(errors: dict[str, list[float]]) -> float:
    """Mean over the corruptions of the error at all severities divided by AlexNet's.

    Hendrycks & Dietterich, arXiv 1903.12261, section 4.3.

    Args:
      errors: of each corruption, one for each severity.
    """
    relative = [
        sum(errors[name]) / len(errors[name]) / alexnet for name, alexnet in ALEXNET_ERRORS.items()
    ]
    return sum(relative) / len(relative)
