"""The command line of every part, as a user would type it."""

import sys
from dataclasses import dataclass
from pathlib import Path

CHUNK_MS = 60
"""Wall time between parts of a streamed answer: enough parts to look alive, few enough for two cores."""


@dataclass(frozen=True, slots=True)
class Commands:
    """Command lines of one pass."""

    manifests: Path
    state: Path
    speed: float
    gateway_port: int

    @property
    def gateway_url(self) -> str:
        """Where agents call."""
        return f"http://127.0.0.1:{self.gateway_port}"

    def fake_node(self, node: str, product: str, seed: int) -> list[str]:
        """Return the command of a node's world."""
        what = ["--product", product, "--seed", str(seed), "--chunk-ms", str(CHUNK_MS)]
        return [_tool("wattline"), "fake-node", node, "-f", str(self.manifests), *self._common(), *what]

    def gateway(self, routing: str, admission: str) -> list[str]:
        """Return the command of the gateway."""
        how = ["--routing", routing, "--admission", admission]
        listen = ["--listen", f"127.0.0.1:{self.gateway_port}"]
        return [_tool("wattline"), "gateway", "-f", str(self.manifests), *self._common(), *listen, *how]

    def up(self) -> list[str]:
        """Return the command of the reconcile loop."""
        return [_tool("wattline"), "up", str(self.manifests), *self._common()]

    def node_agent(self, node: str) -> list[str]:
        """Return the command of a node's agent."""
        where = [
            "--gateway",
            self.gateway_url,
            "--listen",
            "127.0.0.1:0",
            "--runtime",
            str(self.state / "run"),
        ]
        return [
            _tool("wattline-node-agent"),
            "run",
            "--node",
            node,
            *self._common(),
            *where,
            "--on-stop",
            "restore",
        ]

    @staticmethod
    def administrator(watts: float) -> list[str]:
        """Return the command that sets a static limit on every GPU of the node it runs on."""
        return [sys.executable, "-m", "wattline.demo.administrator", f"{watts:.3f}"]

    def _common(self) -> list[str]:
        return ["--state", str(self.state), "--speed", f"{self.speed:g}"]


def _tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))
