"""A real Prometheus beside the cluster, which finds Wattline's pods by the API server as an installed one would."""

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.command import HarnessError, wait_until

PORTS = {"operator": "metrics", "gateway": "http", "agent": "http"}
"""Name of the port that serves /metrics, by component; as in the chart's PodMonitors."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def query(self, expr: str, at: float | None = None) -> list[dict[str, Any]]:
        """Return the series of an instant query; raise ``HarnessError`` where it is refused."""
        wanted = {"query": expr} | ({} if at is None else {"time": f"{at:.3f}"})
        return list(self._get("/api/v1/query", wanted)["result"])

    def course(self, expr: str, start: float, end: float, step_seconds: float) -> list[dict[str, Any]]:
        """Return the series of an expression over time."""
        wanted = {"query": expr, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step_seconds:g}"}
        return list(self._get("/api/v1/query_range", wanted)["result"])

    def targets(self) -> dict[str, str]:
        """Return how the scrape of every target went, by its address."""
        found = self._get("/api/v1/targets", {"state": "active"})["activeTargets"]
        return {each["scrapeUrl"]: each["lastError"] or each["health"] for each in found}

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule with its state and health."""
        return [rule for group in self._get("/api/v1/rules", {})["groups"] for rule in group["rules"]]

    def _get(self, path: str, wanted: dict[str, str]) -> Any:
        try:
            with urllib.request.urlopen(
                f"{self.url}{path}?{urllib.parse.urlencode(wanted)}", timeout=20
            ) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise HarnessError(f"Prometheus refuses {wanted}: {error.read().decode()}") from error


@contextmanager
def running(
    program: Path,
    kubeconfig: Path,
    folder: Path,
    *,
    namespace: str,
    rules: Path,
    port: int,
    every_seconds: float = 2,
) -> Iterator[Prometheus]:
    """Scrape a namespace's pods for as long as the block runs; its data stay in ``folder`` until the end."""
    config = folder / "prometheus.yaml"
    config.write_text(yaml.safe_dump(_config(kubeconfig, namespace, rules, every_seconds)))
    log = folder / "prometheus.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
            stdout=said,
            stderr=said,
            start_new_session=True,
            env={**os.environ, "GOMAXPROCS": "1"},
        )
    made = Prometheus(f"http://127.0.0.1:{port}")
    try:
        wait_until(
            lambda: _ready(made.url),
            "Prometheus is ready",
            give_up=lambda: None if process.poll() is None else log.read_text()[-2000:],
        )
        yield made
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder / "data", ignore_errors=True)


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        time.sleep(0.1)
        return False


def _config(kubeconfig: Path, namespace: str, rules: Path, every_seconds: float) -> dict[str, Any]:
    """Return what the chart's PodMonitors come to, and its rules."""
    components = "|".join(PORTS)
    ports = "|".join(f"{component};{port}" for component, port in PORTS.items())
    meta = "__meta_kubernetes_pod"
    return {
        "global": {"scrape_interval": f"{every_seconds:g}s", "evaluation_interval": f"{every_seconds:g}s"},
        "rule_files": [str(rules / "*.yaml")],
        "scrape_configs": [
            {
                "job_name": "wattline",
                "honor_labels": True,
                "kubernetes_sd_configs": [
                    {"role": "pod", "kubeconfig_file": str(kubeconfig), "namespaces": {"names": [namespace]}}
                ],
                "relabel_configs": [
                    {
                        "source_labels": [f"{meta}_label_app_kubernetes_io_component"],
                        "regex": components,
                        "action": "keep",
                    },
                    {
                        "source_labels": [
                            f"{meta}_label_app_kubernetes_io_component",
                            f"{meta}_container_port_name",
                        ],
                        "regex": ports,
                        "action": "keep",
                    },
                    {"source_labels": [f"{meta}_phase"], "regex": "Running", "action": "keep"},
                    {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
                    {"source_labels": [f"{meta}_name"], "target_label": "pod"},
                    {"source_labels": [f"{meta}_container_name"], "target_label": "container"},
                ],
            }
        ],
    }
