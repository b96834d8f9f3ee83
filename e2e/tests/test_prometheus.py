"""A real Prometheus scrapes the cluster: every panel of every dashboard shows something, and no rule is broken."""

import json
import re
import secrets
import socket
from dataclasses import dataclass

import pytest
from traffic import Agents

from harness import prometheus
from harness.command import HarnessError, wait_until
from harness.settings import REPOSITORY

CHART = REPOSITORY / "charts/wattline"
MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct"
EVERY_SECONDS = 1.0
VARIABLES = {"$__rate_interval": "30s", "$__range": "5m"}
PAGES = {path.stem: json.loads(path.read_text()) for path in sorted((CHART / "dashboards").glob("*.json"))}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, page in PAGES.items()
    for panel in page["panels"]
    if panel["type"] != "row"
]


@dataclass
class Scraped:
    """The Prometheus, and the agents whose traffic it saw."""

    prometheus: prometheus.Prometheus
    agents: Agents


def pool(name):
    return {
        "apiVersion": "wattline.dev/v1alpha1",
        "kind": "InferencePool",
        "metadata": {"name": name},
        "spec": {
            "model": MODEL,
            "replicas": 2,
            "template": {
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [
                        {
                            "name": "engine",
                            "image": "localhost/wattline:e2e",
                            "imagePullPolicy": "IfNotPresent",
                            "args": ["fake-engine", "--model", MODEL, "--loading", "3"],
                            "env": [{"name": "WATTLINE_FAKE_WORLD", "value": "http://world:9900"}],
                            "ports": [{"name": "http", "containerPort": 8000}],
                            "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 1},
                            "resources": {"limits": {"nvidia.com/gpu": 1}},
                        }
                    ],
                }
            },
        },
    }


def workflow(name):
    """A workflow whose runs all use more than they may, and are told so."""
    budget = {"maxJoules": 1.0, "maxDurationSeconds": 3600.0, "onExceeded": "Warn"}
    return {
        "apiVersion": "wattline.dev/v1alpha1",
        "kind": "AgentWorkflow",
        "metadata": {"name": name},
        "spec": {"trigger": "External", "tenant": "web", "budget": budget},
    }
