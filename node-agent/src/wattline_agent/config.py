"""What the three processes are started with; standard library only, because the supervisor reads it too."""

import json
import logging
import signal
from dataclasses import asdict, dataclass
from typing import Any

from wattline_agent.settings import DEFAULTS, Settings, changed


@dataclass(frozen=True, slots=True)
class Config:
    """Flags of ``wattline-node-agent run``."""

    node: str
    state: str
    """Folder that all parts of one box share."""
    runtime: str
    """Folder of the locks that keep two agents off one GPU."""
    gateways: tuple[str, ...] = ()
    """URLs of the gateways that route to this node."""
    gateway_service: str = ""
    """HOST:PORT whose every address is a gateway that routes to this node; instead of ``gateways``."""
    listen: str = "127.0.0.1:9808"
    advertise: str = ""
    """URL under which others reach ``listen``; made from it when empty."""
    cluster: bool = False
    """Whether orders come from the Kubernetes API server, and not from files in ``state``."""
    api_server: str = ""
    """Its address where it asks nobody who he is (kubectl proxy); empty: that of the pod we run in."""
    namespace: str = "wattline-system"
    """Where the leases of our domains are."""
    ready_socket: str = ""
    """Unix socket that tells whether new work may start; empty: none."""
    pod_resources: str = ""
    """Unix socket of the kubelet that tells which pod has which GPU; empty: none."""
    emergency_file: str = ""
    """File that begins an emergency level when it is written; empty: ``emergency`` in ``state``."""
    emergency_token_file: str = ""
    """File with the token that callers of ``/v1/emergency`` must know; empty: nobody may."""
    resources: tuple[str, ...] = ("nvidia.com/gpu", "nvidia.com/mig-*")
    """Resources by which a device plugin hands out this node's GPUs, or the beginnings of their names before a ``*``."""
    drivers: tuple[str, ...] = ("gpu.nvidia.com",)
    """DRA drivers that hand out this node's GPUs."""
    speed: float = 1.0
    """World seconds to a second."""
    on_stop: str = "keep"
    """Whether a stopping agent leaves its settings or puts back what was there."""
    settings: Settings = DEFAULTS
    """Timeouts and periods."""
    supervisor: int = 0
    """Process that started this one; filled in for the children, who end once it is no longer their parent."""
    device: str = "wattline_agent.nvml:NvmlDevice"
    """Module and class of the vendor's device; it is made with the clock and ``driver_root``."""
    driver_root: str = ""
    """Folder below which the driver's library is; empty: where the loader looks, and where driver containers have it."""

    def dumps(self) -> str:
        """Return the flags as one argument of a child process."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> "Config":
        """Return the flags that ``dumps`` wrote."""
        raw: dict[str, Any] = json.loads(text)
        raw |= {key: tuple(each) for key, each in raw.items() if isinstance(each, list)}
        return cls(**raw | {"settings": changed(DEFAULTS, raw["settings"])})


EXIT_REFUSED = 3
"""A child ends with this when trying again would not help; it has said why."""

EXIT_LEFT = 1
"""The device process ends with this when it was to put everything back and could not; it has said what."""

EXIT_AGAIN = 75
"""A child ends with this when only a new process can go on, e.g. under a new driver (sysexits: EX_TEMPFAIL)."""

EXIT_PAUSED = 4
"""The device process ends with this when it let go of the driver because it was asked to."""

GIVE_UP = signal.SIGUSR1
"""From the supervisor: to the device process, stop without putting anything back; to the network process, stop.

SIGTERM may reach all three at once (service managers and terminals signal whole groups), so it says no more than
that the agent is to end.
"""

LET_GO = signal.SIGUSR2
"""From the supervisor to the device process: end, so that the driver can be taken away."""

STOPPING = frozenset({signal.SIGTERM, signal.SIGINT, GIVE_UP, LET_GO})
"""Blocked in a new child until it has its handlers, so that none of them ends it without its last duties."""


def log_to_stderr() -> None:
    """Have what the agent says on standard error, one line each, named."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
