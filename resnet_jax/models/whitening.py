"""The kernel of a whitening stem, from training images."""

import numpy as np
from jaxtyping import Float

from resnet_jax.tables import UserError


def whitening_kernel(
    images: Float[np.ndarray, "images height width channels"],
    features: int,
    *,
    kernel: int = 2,
    epsilon: float = 5e-4,
) -> Float[np.ndarray, "kernel kernel channels features"]:
    """The directions in which patches of the images vary, each as a filter and its negative.

    Filter k is v / sqrt(l + epsilon) for the eigenvector v with the k-th largest eigenvalue l of
    the patches' second moments, mean(p p^T); the negatives follow in the same order. So the
    filters' outputs all vary alike. Page's idea ('How to Train Your ResNet', myrtle.ai), in
    the form of Jordan, arXiv 2404.00498, airbench94.py (init_whitening_conv).

    Args:
      images: as the network sees them, normalised and unchanged.
      features: of the stem; two for each value of a patch.
      kernel: rows and columns of a patch.
      epsilon: added to the eigenvalues.

    Raises:
      UserError: the stem has another number of features.
    """
    channels = images.shape[-1]
    needed = 2 * kernel**2 * channels
    if features != needed:
        raise UserError(
            f"a whitening stem has two filters for each of the {needed // 2} values of a"
            f" {kernel}x{kernel} patch, and this one has {features} in all: set"
            f" model.stem_width={needed}"
        )
    windows = np.lib.stride_tricks.sliding_window_view(
        np.asarray(images, np.float64), (kernel, kernel), axis=(1, 2)
    )
    patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, needed // 2)
    values, vectors = np.linalg.eigh(patches.T @ patches / len(patches))
    filters = (vectors / np.sqrt(values + epsilon))[:, ::-1]
    both = np.concatenate([filters, -filters], axis=1)
    return both.reshape(kernel, kernel, channels, needed)
