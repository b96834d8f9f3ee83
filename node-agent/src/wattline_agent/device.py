"""What a vendor implements so that the agent can hold its GPUs: eight calls, all of which may block."""

from typing import Protocol

from wattline.model.errors import GpuError
from wattline.model.gpu import GpuIdentity, GpuReading, Ramp


class DriverAway(GpuError):  # noqa: N818 - a state of the node, named as the status names it
    """No driver answers for any GPU; ``open`` is worth another try later."""


class DriverChanged(GpuError):  # noqa: N818 - as above
    """The driver was replaced under this process, which only a new process can follow."""


class DeviceUnusable(Exception):  # noqa: N818 - a state of the installation
    """What the device is driven by is not installed as it must be; trying again does not help."""


class Device(Protocol):
    """The GPUs of one node, each named by its UUID.

    Calls are made by one thread, one after the other. They raise ``GpuError`` and its kinds: ``GpuBlocked`` where the
    device or our rights do not allow it, ``GpuLost`` where the GPU is gone. ``DriverAway`` and ``DriverChanged`` hold
    for all where ``open`` raises them, and are one GPU's word where a call that names one does. The message of an error
    starts with one CamelCase word, the reason, and a colon.
    """

    def open(self) -> tuple[GpuIdentity, ...]:
        """Find the GPUs, also again after some were lost or the driver came back; none has vanished silently."""

    def close(self) -> None:
        """Let go of the driver; settings stay. Never raises."""

    def read(self, uuid: str) -> GpuReading:
        """Return one reading."""

    def set_limit(self, uuid: str, watts: float) -> None:
        """Ask for a power limit; what the device made of it is in the next reading."""

    def lock_clock(self, uuid: str, mhz: int | None) -> None:
        """Ask for a clock of at most ``mhz``, one of the supported ones; none gives the clock back to the driver.

        Full speed is asked for by none: H200 clamps a lock at its maximum to about 1830 MHz.
        """

    def set_persistence(self, uuid: str, *, on: bool) -> None:
        """Keep the driver's settings while nobody uses the GPU, or not."""

    def set_tuned(self, uuid: str, *, on: bool) -> None:
        """Ask the device to tune itself to LLM inference, or no longer; only where its identity says that it can.

        What others asked of it stays; what the device makes of all of it is in the next reading.
        """

    def set_ramp(self, uuid: str, ramp: Ramp) -> None:
        """Ask the device to smooth its own power, or not; only where its identity says that it can."""
