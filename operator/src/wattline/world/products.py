"""GPU products: what a data sheet or a capture says of each, and where we had to assume.

Marks: [V] capture of a real machine, [R] reported by others, [D] vendor's data sheet, [assumption] ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from wattline.world.thermal import Stage


@dataclass(frozen=True, slots=True)
class Product:
    """One GPU product."""

    name: str
    device_name: str
    """As the driver spells it."""
    min_mhz: int
    max_mhz: int
    lock_ceiling_mhz: int
    """Highest clock a lock can hold; without a lock the clock goes to ``max_mhz``."""
    min_watts: float
    max_watts: float
    """Highest and default power limit."""
    floor_watts: float
    """Limits below this are not honoured [assumption, all: idle power and a light load]."""
    idle_watts: float
    """At ``idle_celsius``."""
    busy_watts: float
    """Added at any clock by running work while the cores do not compute."""
    memory_bytes: float
    bandwidth_bytes_per_second: float
    on_chip_bytes_per_second: float
    """What the caches pass on to the cores at full clock; goes with the clock."""
    flops_per_second: float
    """Dense bf16 at full clock."""
    stages: tuple[Stage, ...]
    idle_celsius: float = 32.0
    leakage_watts_per_celsius: float = 0.5
    """More idle power for each degree [assumption; the direction is arXiv 2511.09861's]."""
    context_watts: float = 26.0
    """Part of the idle power that a process costs which holds the GPU and waits [R: 26 to 50 W on GPUs with HBM
    (arXiv 2605.23918), whatever the memory in use; the least of it]."""
    step_mhz: int = 15
    """Distance of supported graphics clocks [R]."""
    slowdown_celsius: float = 87.0
    """Margin zero: the software thermal slowdown begins [V: H200, H100 SXM: reference 87 °C, offset 0]."""
    hardware_slowdown_celsius: float = 89.0
    """Hardware slowdown [V: offset −2]."""

    @property
    def clocks_mhz(self) -> tuple[int, ...]:
        """Supported graphics clocks, slowest first."""
        return tuple(range(self.min_mhz, self.max_mhz + 1, self.step_mhz))


BYTES_PER_MULTIPROCESSOR_AND_CLOCK = 28.5
"""What a multiprocessor reads from the second-level cache in a clock cycle: about 5.7 TB/s on the 114 of an H100 PCIe at
1755 MHz [R, one microbenchmark, not checked by us]; taken for all products [assumption]."""

_HOPPER_STAGES = (Stage(0.020, 0.2), Stage(0.012, 5.0), Stage(0.034, 90.0))
"""Sum 0.066 °C/W [R: H100 SXM, 700 W at 25 °C inlet to 70.9 °C]; the first two in the proportion and with the time
constants of the A100 step response (GPU_Power_Benchmark [V]), the third [assumption]: no public data has it."""

H100 = Product(
    name="h100",
    device_name="NVIDIA H100 80GB HBM3",
    min_mhz=345,  # [V] idle clock of the captures
    max_mhz=1980,  # [V]
    lock_ceiling_mhz=1980,
    min_watts=200.0,  # [V]
    max_watts=700.0,  # [V]
    floor_watts=150.0,
    idle_watts=100.0,  # [V] 100.9 W in one capture
    busy_watts=60.0,  # [assumption] part of KAIROS's "any light load adds ~100 W"
    memory_bytes=80e9,  # [D]
    bandwidth_bytes_per_second=3.35e12,  # [D]
    on_chip_bytes_per_second=132 * 1.98e9 * BYTES_PER_MULTIPROCESSOR_AND_CLOCK,
    flops_per_second=989e12,  # [D]
    stages=_HOPPER_STAGES,
)

H100_NVL = Product(
    name="h100-nvl",
    device_name="NVIDIA H100 NVL",
    min_mhz=345,
    max_mhz=1680,  # [R] as KAIROS (arXiv 2604.16682) reports it
    lock_ceiling_mhz=1680,
    min_watts=200.0,  # [R]
    max_watts=400.0,  # [R] KAIROS; [D]
    floor_watts=100.0,
    idle_watts=50.0,  # [R] KAIROS
    busy_watts=50.0,  # [assumption]
    memory_bytes=94e9,  # [D]
    bandwidth_bytes_per_second=3.9e12,  # [D]
    on_chip_bytes_per_second=132 * 1.68e9 * BYTES_PER_MULTIPROCESSOR_AND_CLOCK,
    flops_per_second=835e12,  # [D]
    stages=(
        Stage(0.032, 0.2),
        Stage(0.020, 5.0),
        Stage(0.058, 90.0),
    ),  # sum 0.11: a passive PCIe card [assumption]
)

H200 = Product(
    name="h200",
    device_name="NVIDIA H200",
    min_mhz=345,  # [V]
    max_mhz=1980,  # [V]
    lock_ceiling_mhz=1830,  # [R] arXiv 2605.11999: locks at and above ~1830 MHz silently become ~1830
    min_watts=200.0,  # [V]
    max_watts=700.0,  # [V]
    floor_watts=150.0,
    idle_watts=80.0,  # [V] 76, 78 and 83 W
    busy_watts=60.0,  # [assumption]
    memory_bytes=141e9,  # [D]
    bandwidth_bytes_per_second=4.8e12,  # [D]
    on_chip_bytes_per_second=132 * 1.98e9 * BYTES_PER_MULTIPROCESSOR_AND_CLOCK,
    flops_per_second=989e12,  # [D]
    stages=_HOPPER_STAGES,
)

A100 = Product(
    name="a100",
    device_name="NVIDIA A100-SXM4-80GB",
    min_mhz=210,  # [R]
    max_mhz=1410,  # [V] Perseus sweep
    lock_ceiling_mhz=1410,
    min_watts=100.0,  # [R]
    max_watts=400.0,  # [D]
    floor_watts=100.0,
    idle_watts=60.0,  # [V] 56–63 W
    busy_watts=40.0,  # [assumption]
    memory_bytes=80e9,  # [D]
    bandwidth_bytes_per_second=2.039e12,  # [D]
    on_chip_bytes_per_second=108 * 1.41e9 * BYTES_PER_MULTIPROCESSOR_AND_CLOCK,
    flops_per_second=312e12,  # [D]
    stages=(Stage(0.035, 0.2), Stage(0.020, 5.0), Stage(0.045, 90.0)),  # sum 0.10 [assumption]
)

PRODUCTS: Mapping[str, Product] = MappingProxyType({p.name: p for p in (H100, H100_NVL, H200, A100)})
