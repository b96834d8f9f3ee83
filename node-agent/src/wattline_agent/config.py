"""What the three processes are started with; standard library only, because the command line reads it too."""

import json
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
    """Process that starts the others, who end once it is no longer their parent."""
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
