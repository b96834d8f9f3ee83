"""Two GPUs of the world and the device that an agent has of them: in the same process, or through NVML."""

from dataclasses import dataclass, replace
from pathlib import Path

from wattline.fake.nvml import Card, Faults, GpuBank, RootOnly, Twin
from wattline.fake.nvml.card import B200_PROFILES
from wattline.world.gpu import PRODUCTS, Gpu
from wattline.world.load import Load, compute_bound
from wattline.world.products import Product
from wattline_agent.device import Device
from wattline_agent.nvml import NvmlDevice

BUSY = compute_bound(650.0)
UUIDS = ("GPU-0", "GPU-1")
TRAINING_PROFILE = 7


@dataclass
class Machine:
    """Two GPUs and the device that an agent has of them."""

    device: Device
    gpus: tuple[Gpu, ...]
    bank: GpuBank | None = None

    def now(self) -> float:
        return self.gpus[0].now_seconds

    def work(self, seconds: float, load: Load = BUSY) -> None:
        until = self.now() + seconds
        if self.bank is not None:
            self.bank.pull()
        for gpu in self.gpus:
            gpu.advance(until, load)
        if self.bank is not None:
            self.bank.publish()

    def lose(self, index: int) -> None:
        if self.bank is None:
            self.device.lost.add(self.gpus[index].uuid)
        else:
            Faults(self.bank.mapping).lose(index)

    def bring_back(self, index: int) -> None:
        if self.bank is None:
            self.device.lost.discard(self.gpus[index].uuid)
        else:
            Faults(self.bank.mapping).bring_back(index)

    def take_rights(self) -> None:
        if self.bank is None:
            self.device.read_only = True
        else:
            Faults(self.bank.mapping).setters_for(RootOnly.NOBODY)

    def divide(self, index: int, *parts: str) -> None:
        """Divide a GPU into parts (MIG), as an administrator does while nobody uses it."""
        if self.bank is None:
            self.device.parts[UUIDS[index]] = parts
        else:
            Faults(self.bank.mapping).partition(index, on=bool(parts), parts=parts)

    def exclude(self, index: int) -> None:
        """Let somebody else ask for what inference cannot go with."""
        if self.bank is None:
            self.device.excluded.add(UUIDS[index])
        else:
            self.bank.mapping.node.gpus[index].settings.profiles = 1 << TRAINING_PROFILE


def in_process(product: str, *, newer: bool = False) -> Machine:
    gpus = _gpus(product)
    return Machine(Twin(gpus, lambda: gpus[0].now_seconds, newer=newer), gpus)


def through_nvml(product: str, path: Path, *, newer: bool = False) -> Machine:
    gpus = _gpus(product)
    bank = GpuBank.create(path, gpus, newer_card if newer else Card.of)
    return Machine(NvmlDevice(lambda: gpus[0].now_seconds), gpus, bank)


def _gpus(product: str) -> tuple[Gpu, ...]:
    return tuple(Gpu(PRODUCTS[product], uuid) for uuid in UUIDS)


def newer_card(product: Product, uuid: str) -> Card:
    """Return a card of the world's GPU with what a B200 can do by itself."""
    return replace(Card.of(product, uuid), profiles=B200_PROFILES, smooths=True)
