"""Node agents for nodes that exist in the API alone: they answer orders at once and serve readings, as the real one does."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kubernetes import client
from urllib3.exceptions import HTTPError

from harness.cluster import Cluster
from harness.command import say
from wattline.model.bounds import bound_watts, limit_for

PRODUCT = "NVIDIA H100 80GB HBM3"
MIN_WATTS, MAX_WATTS = 200.0, 700.0
IDLE_WATTS = 90.0
LOOK_SECONDS = 0.3
AGAIN_SECONDS = 60.0
"""How often a status is written though nothing changed."""

Json = dict[str, Any]


def allowed(cluster: Cluster) -> str:
    """Return the chart's value, as for --set, that lets the administrator write for such agents."""
    said = json.loads(cluster.kubectl("auth", "whoami", "-o", "json"))
    return f"policies.extraStatusWriters={{{said['status']['userInfo']['username']}}}"


class Agents:
    """The agents of some nodes, all in this process; they write what changed, like the real ones."""

    def __init__(self, api: client.ApiClient, nodes: Mapping[str, int], address: str) -> None:
        """``nodes`` are names and numbers of GPUs, ``address`` is where pods reach this process."""
        self._objects = client.CustomObjectsApi(api)
        self._nodes = nodes
        self._answered: dict[str, tuple[int, str]] = {}
        self._written: dict[str, float] = {}
        self._problem = ""
        self._ended = threading.Event()
        self._server = _Server((address, 0), self._readings)
        self._threads = [
            threading.Thread(target=each, daemon=True) for each in (self._answer, self._server.serve_forever)
        ]

    def start(self) -> None:
        """Begin to answer."""
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """Fall silent."""
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        for each in self._threads:
            each.join(timeout=10)

    def uuids(self, node: str) -> list[str]:
        """Return the GPUs of a node."""
        return [f"GPU-{node}-{index}" for index in range(self._nodes[node])]

    def _answer(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            try:
                listed: Any = self._objects.list_cluster_custom_object(*_POWER_NODES)
                for order in listed["items"]:
                    self._answer_one(order)
            except (client.ApiException, HTTPError) as error:
                if str(error) != self._problem:
                    self._problem = str(error)
                    say(f"agents of nodes that are none: {error}")

    def _answer_one(self, order: Json) -> None:
        name, meta, spec = order["metadata"]["name"], order["metadata"], order["spec"]
        heard = meta["generation"], meta["uid"]
        fresh = time.monotonic() - self._written.get(name, 0.0) < AGAIN_SECONDS
        if name not in self._nodes or (fresh and self._answered.get(name) == heard):
            return
        status = self._status(name, meta["generation"], spec)
        self._objects.patch_cluster_custom_object_status(*_POWER_NODES, name, {"status": status})
        self._answered[name], self._written[name] = heard, time.monotonic()

    def _status(self, name: str, generation: int, spec: Json) -> Json:
        uuids = self.uuids(name)
        limit = MAX_WATTS
        if spec.get("enforce"):
            share = limit_for(PRODUCT, spec["budgetWatts"] / len(uuids))
            limit = min(MAX_WATTS, max(MIN_WATTS, share))
        bound = bound_watts(PRODUCT, limit, MAX_WATTS)
        gpu = {
            "product": PRODUCT,
            "minWatts": MIN_WATTS,
            "maxWatts": MAX_WATTS,
            "defaultWatts": MAX_WATTS,
            "enforcedWatts": limit,
            "boundWatts": bound,
            "readAtSeconds": _now(),
        }
        state = "Enforcing" if spec.get("enforce") else "Released" if spec.get("release") else "Observing"
        return {
            "observedGeneration": generation,
            "epoch": spec["epoch"],
            "bootId": name,
            "address": f"{self._server.url}/{name}",
            "state": state,
            "boundWatts": bound * len(uuids),
            "demandWatts": IDLE_WATTS * len(uuids),
            "gpus": [{"uuid": uuid, **gpu} for uuid in uuids],
        }

    def _readings(self, name: str) -> Json | None:
        if name not in self._nodes:
            return None
        sample = {
            "product": PRODUCT,
            "energyJoules": 0.0,
            "watts": IDLE_WATTS,
            "limitWatts": MAX_WATTS,
            "clockMhz": 1980,
            "celsius": 40.0,
            "marginCelsius": 40.0,
        }
        gpus = [{"uuid": uuid, **sample} for uuid in self.uuids(name)]
        return {"node": name, "bootId": name, "atSeconds": _now(), "gpus": gpus}


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


_POWER_NODES = ("wattline.dev", "v1alpha1", "powernodes")


class _Server(ThreadingHTTPServer):
    """Serves the readings of every node under its name."""

    daemon_threads = True
    request_queue_size = 512  # everybody is asked at once

    def __init__(self, address: tuple[str, int], readings: Any) -> None:
        super().__init__(address, _Handler)
        self.readings = readings

    @property
    def url(self) -> str:
        """Where it is reached."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of readers that did not wait."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer ``/NODE/v1/gpus``."""
        assert isinstance(self.server, _Server)
        name, _, path = self.path.strip("/").partition("/")
        found = self.server.readings(name) if path == "v1/gpus" else None
        body = json.dumps(found).encode()
        self.send_response(200 if found is not None else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def answering(api: client.ApiClient, nodes: Mapping[str, int], address: str) -> Iterator[Agents]:
    """Agents of some nodes for as long as the block runs."""
    agents = Agents(api, nodes, address)
    agents.start()
    try:
        yield agents
    finally:
        agents.stop()
