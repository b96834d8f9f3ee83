"""What tells this boot of the machine from any other."""

from pathlib import Path


def boot_id() -> str:
    """Return the kernel's id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
