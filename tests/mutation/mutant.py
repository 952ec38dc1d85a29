"""A wrong change to the code that a test must notice."""

from typing import NamedTuple

# The exit status of tests that imported another package than the changed one; none of pytest's.
NOT_THE_COPY = 100


class Mutant(NamedTuple):
    """One text put in the place of another.

    Attributes:
      name: what the changed code does wrong.
      file: under resnet_jax.
      before: stands in the file once.
      after: what takes its place.
      tests: files or tests, as pytest takes them, of which one must fail.
    """

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]
