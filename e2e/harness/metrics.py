"""What a part of the product tells Prometheus."""

import urllib.request
from collections.abc import Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

PORTS = {"operator": 9809, "gateway": 8080, "agent": 9808}

Told = Mapping[tuple[str, frozenset[tuple[str, str]]], float]
"""Values by name and labels."""


def told_at(url: str) -> Told:
    """Return what is told at an address."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def told_by(pod: dict[str, Any]) -> Told:
    """Return what a pod of the product tells."""
    part = pod["metadata"]["labels"]["app.kubernetes.io/component"]
    return told_at(f"http://{pod['status']['podIP']}:{PORTS[part]}")


def series(told: Told, name: str) -> list[tuple[dict[str, str], float]]:
    """Return the labels and the value of every series of a name."""
    return [(dict(labels), value) for (found, labels), value in told.items() if found == name]
