"""NVIDIA cards: their figures, what the CUDA compiler must know of them, and hosts full of them."""

import re
from math import ceil, log2
from typing import NamedTuple

from resnet_jax.planning.slices import LINK_LATENCY
from resnet_jax.tables import UserError, choose

# A host holds as many cards, each linked to all others by NVLink.
HOST = 8


class Card(NamedTuple):
    """One card, as its SXM module has it.

    Attributes:
      description: its name, as the driver tells it.
      flops: peak operations a second of the matrix units, by type of what they multiply; a
        multiply-add is two. JAX multiplies float32 as TF32, unless told otherwise. Types that are
        not here count as float32.
      memory: bytes.
      bandwidth: bytes a second between card and memory.
      interconnect: bytes a second that a card sends over all its NVLinks.
      network: bytes a second that a card sends to other hosts.
      capability: major version of its compute capability.
      cores: streaming multiprocessors.
      lanes: float32 units of a multiprocessor.
      shared_memory: bytes of a multiprocessor.
      block_memory: bytes of it that one block can ask for.
      cache: bytes of the second level.
      clock: in GHz.
    """

    description: str
    flops: dict[str, float]
    memory: int
    bandwidth: float
    interconnect: float
    network: float
    capability: int
    cores: int
    lanes: int
    shared_memory: int
    block_memory: int
    cache: int
    clock: float


# Memory, bandwidth and what follows `capability`: github.com/openxla/xla, files a100_sxm_80,
# h100_sxm, h200 and b200.txtpb of xla/backends/gpu/target_config/specs. So are the peaks of all but
# the A100: units x operations x clock of `matrix_unit_description` (the data sheets of H100 and
# H200 give twice as much, with sparsity). The A100's are those of its data sheet (nvidia-1758950).
# NVLink's figure counts both directions, so half of it counts here. Links and network are those of
# the systems of MLPerf Training v2.0 dgxa100_ngc22.04_mxnet (600 GB/s, 8x 200 Gb/s), v4.0
# eos_ngc24.04_mxnet and h200_ngc24.04_mxnet (900 GB/s, 8x 400 Gb/s), and of MLPerf Inference v6.0
# nebius_b200_n1 (14.4 TB/s for eight cards, 8x 400 Gb/s).
CARDS = {
    "a100": Card(
        "NVIDIA A100-SXM4-80GB",
        {"bf16": 312e12, "f16": 312e12, "f32": 156e12, "f64": 19.5e12},
        memory=85_100_068_864, bandwidth=2_039.04e9, interconnect=600e9 / 2, network=200e9 / 8,
        capability=8, cores=108, lanes=64, shared_memory=167_936, block_memory=166_912,
        cache=41_943_040, clock=1.41,
    ),
    "h100": Card(
        "NVIDIA H100 80GB HBM3",
        {"bf16": 989e12, "f16": 989e12, "f32": 494e12, "f64": 66.9e12},
        memory=84_942_979_072, bandwidth=3_352.32e9, interconnect=900e9 / 2, network=400e9 / 8,
        capability=9, cores=132, lanes=128, shared_memory=233_472, block_memory=232_448,
        cache=52_428_800, clock=1.98,
    ),
    "h200": Card(
        "NVIDIA H200 141GB HBM3e",
        {"bf16": 989e12, "f16": 989e12, "f32": 494e12, "f64": 66.9e12},
        memory=151_397_597_184, bandwidth=4_800e9, interconnect=900e9 / 2, network=400e9 / 8,
        capability=9, cores=132, lanes=128, shared_memory=233_472, block_memory=232_448,
        cache=52_428_800, clock=1.98,
    ),
    "b200": Card(
        "NVIDIA B200",
        {"bf16": 2_225e12, "f16": 2_225e12, "f32": 1_112e12, "f64": 37.2e12},
        memory=191_514_411_008, bandwidth=7_672.32e9, interconnect=14.4e12 / 8 / 2,
        network=400e9 / 8, capability=10, cores=148, lanes=128, shared_memory=233_472,
        block_memory=232_448, cache=132_644_864, clock=1.965,
    ),
}  # fmt: skip
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Cards(NamedTuple):
    """Equal cards, in one host or in full ones: 'h100:8'."""

    name: str
    chips: int

    @property
    def chip(self) -> Card:
        return CARDS[self.name]

    @property
    def hosts(self) -> int:
        return ceil(self.chips / HOST)

    @property
    def in_a_host(self) -> int:
        return min(self.chips, HOST)

    def exchange_time(self, summed: float, others: float, collectives: int) -> float:
        """Seconds that cards exchange results, one collective after another.

        In a sum over n cards each sends 2 (n - 1) / n of the bytes over NVLink; then each sums its
        n-th of them with the same card of the other hosts. Other collectives send their results
        once. Each one waits for messages along a tree of all cards, down and up.

        Args:
          summed: bytes that are summed over cards.
          others: bytes of the results of all other collectives.
          collectives: number of both.
        """
        if self.chips == 1:
            return 0.0
        sent, inside, hosts = 2 * summed + others, self.in_a_host, self.hosts
        nvlink = sent * (inside - 1) / inside / self.chip.interconnect
        network = sent / inside * (hosts - 1) / hosts / self.chip.network
        return nvlink + network + 2 * ceil(log2(self.chips)) * LINK_LATENCY * collectives

    def __str__(self) -> str:
        return f"{self.name}:{self.chips}"


def parse(text: str) -> Cards:
    """Reads 'h100:8'.

    Raises:
      UserError: the text has another form, its card is not in CARDS, or a host is not full.
    """
    name, _, count = text.strip().partition(":")
    choose(CARDS, name, "card")
    if not re.fullmatch(r"[1-9]\d*", count):
        raise UserError(f"'{text}' names no cards: write which and how many, as {name}:8")
    chips = int(count)
    if chips > HOST and chips % HOST:
        raise UserError(
            f"'{text}' leaves a host half empty: give up to {HOST} cards, or a multiple of {HOST}"
        )
    return Cards(name, chips)


def target_config(card: Card) -> str:
    """The card as the compiler reads it: a GpuTargetConfigProto of XLA, as text."""
    return f"""
        gpu_device_info {{
          threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152
          shared_memory_per_core: {card.shared_memory} threads_per_core_limit: 2048
          core_count: {card.cores} fpus_per_core: {card.lanes}
          block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
          memory_bandwidth: {card.bandwidth:.0f} l2_cache_size: {card.cache}
          clock_rate_ghz: {card.clock} device_memory_size: {card.memory}
          shared_memory_per_block_optin: {card.block_memory}
          cuda_compute_capability {{ major: {card.capability} }}
          registers_per_core_limit: 65536 registers_per_block_limit: 65536
        }}
        platform_name: "CUDA"
        dnn_version_info {{ major: 9 minor: 12 }}
        device_description_str: "{card.description}"
        """
