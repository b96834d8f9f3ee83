"""The fake GPUs of a node before any world runs: their names, and the driver library that pods get."""

from harness.settings import Settings
from wattline.fake import build
from wattline.fake.nvml import library


class GpuPlugin:
    """What the device plugin hands out."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def uuids(self) -> tuple[str, ...]:
        """The GPUs by name; a world of this node and seed has the same."""
        return build.uuids(self._settings.node, self._settings.gpus, seed=self._settings.gpu_seed)

    def prepare(self) -> None:
        """Put the fake driver library where the node's pods find it."""
        folder = self._settings.fake_state / "lib"
        if not (folder / library.LIBRARY_NAME).exists():
            library.build(folder)
        (self._settings.fake_state / "fake").mkdir(parents=True, exist_ok=True)
