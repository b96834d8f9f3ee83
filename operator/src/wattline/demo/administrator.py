"""What an administrator does with `nvidia-smi -pl`: the same static power limit on every GPU of a node.

``python -m wattline.demo.administrator WATTS``, in an environment that shows the node's driver.
"""

import sys

from wattline.doors.clock import BootClock
from wattline_agent.nvml import NvmlDevice


def limit_all(watts: float) -> None:
    """Set the limit of every GPU, through NVML."""
    device = NvmlDevice(BootClock().now)
    try:
        for gpu in device.open():
            device.set_limit(gpu.uuid, min(max(watts, gpu.min_watts), gpu.max_watts))
    finally:
        device.close()


if __name__ == "__main__":
    limit_all(float(sys.argv[1]))
