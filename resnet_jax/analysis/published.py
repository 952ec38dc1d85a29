"""Published accuracies of networks, and AlexNet's errors under corruption."""

from typing import NamedTuple


class Published(NamedTuple):
    """A figure of a network on a test set.

    Attributes:
      metric: top1 or mce, the mean corruption error.
      value: a fraction.
    """

    test_set: str
    network: str
    metric: str
    value: float
    source: str


_HE = "arXiv 1512.03385, Table 3, ten crops"
_TORCHVISION = "torchvision's documentation of its weights"
_TIMM = "timm's results/*.csv at aa4b5850, 224 pixels"

# Accuracy of ResNet-50's weights on sets that they were not trained on.
_SHIFTS = ("imagenet_real", "imagenet_v2", "imagenet_a", "imagenet_r", "imagenet_sketch")
_SHIFTED = {
    "ResNet-50, IMAGENET1K_V1": (0.82969, 0.6319, None, 0.36157, 0.24064),
    "ResNet-50, IMAGENET1K_V2": (0.86451, 0.6951, 0.14387, 0.4284, 0.29869),
    "ResNet-50, A1": (0.85712, 0.6847, 0.09973, 0.40417, 0.29641),
    "ResNet-50, A2": (0.85447, 0.6781, 0.07507, 0.38603, 0.27393),
    "ResNet-50, A3": (0.8448, 0.6567, 0.06333, 0.3605, 0.25068),
}

PUBLISHED = (
    Published("imagenet", "ResNet-34 C", "top1", 0.7581, _HE),
    Published("imagenet", "ResNet-50", "top1", 0.7715, _HE),
    Published("imagenet", "ResNet-101", "top1", 0.7825, _HE),
    Published("imagenet", "ResNet-152", "top1", 0.7857, _HE),
    Published("imagenet", "ResNet-50, IMAGENET1K_V1", "top1", 0.7613, _TORCHVISION),
    Published("imagenet", "ResNet-50, IMAGENET1K_V2", "top1", 0.80858, _TORCHVISION),
    Published("imagenet", "ResNet-50, A1", "top1", 0.80382, _TIMM),
    Published("imagenet", "ResNet-50, A2", "top1", 0.79828, _TIMM),
    Published("imagenet", "ResNet-50, A3", "top1", 0.78052, _TIMM),
    *(
        Published(test_set, network, "top1", value, _TIMM)
        for network, values in _SHIFTED.items()
        for test_set, value in zip(_SHIFTS, values, strict=True)
        if value is not None
    ),
    # Of the weights with a clean error of 23.85%, and of the files' centres as they are (test.py):
    # AugMix's imagenet.py resizes them to 256 pixels first, so its figures do not compare.
    Published(
        "imagenet_c", "ResNet-50, IMAGENET1K_V1", "mce", 0.767, "hendrycks/robustness, README"
    ),
)

# AlexNet's error, as the mean over the five severities: google-research/augmix, imagenet.py, after
# the code of Hendrycks & Dietterich, arXiv 1903.12261.
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
    """The mean, over the corruptions, of the error at all severities divided by AlexNet's error.

    Hendrycks & Dietterich, arXiv 1903.12261, section 4.3.

    Args:
      errors: for each corruption, the error at each severity.
    """
    relative = [
        sum(errors[name]) / len(errors[name]) / alexnet for name, alexnet in ALEXNET_ERRORS.items()
    ]
    return sum(relative) / len(relative)
