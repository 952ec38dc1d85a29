"""The order of the examples: an endless stream of permutations, any part of which can be had."""

from functools import lru_cache

import numpy as np


def stream(seed: int, start: int, count: int, examples: int) -> np.ndarray:
    """Returns elements start...start + count of the endless sequence of permutations, int32."""
    positions = np.arange(start, start + count)
    epochs, places = np.divmod(positions, examples)
    indices = np.empty(count, np.int32)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        indices[here] = _permutation(seed, int(epoch), examples)[places[here]]
    return indices


def repeated(seed: int, start: int, count: int, examples: int, repeats: int) -> np.ndarray:
    """The same of the sequence in which each example comes `repeats` times in a row.

    Repeated augmentation: Hoffer et al., arXiv 1901.09335; Berman et al., arXiv 1902.05509.
    """
    places = np.arange(start, start + count) // repeats
    first = int(places[0])
    return stream(seed, first, int(places[-1]) + 1 - first, examples)[places - first]


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, examples: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(examples).astype(np.int32)
