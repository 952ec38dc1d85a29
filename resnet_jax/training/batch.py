"""What a step computes on."""

from typing import Protocol

from jaxtyping import Array, Bool, Float, Int32


class Batch(Protocol):
    """Images, the class of each, and which of them count."""

    @property
    def images(self) -> Float[Array, "batch height width channels"]: ...
    @property
    def labels(self) -> Int32[Array, "batch"]: ...
    @property
    def mask(self) -> Bool[Array, "batch"]: ...
