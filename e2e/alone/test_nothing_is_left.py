"""However a cluster ends, the machine is as it was: mounts, links, firewall, kernel settings, cgroups, folders, processes."""

import os
import signal
import subprocess
import sys
import time

import pytest

from harness import host
from harness.cluster import Cluster
from harness.command import HarnessError
from harness.images import PLAIN
from harness.local import Local

START = "from harness.local import Local; Local().start()"


@pytest.fixture
def before(local):
    return host.look(local.settings.root)


def left(local, before):
    return host.look(local.settings.root).left_since(before)


def with_pods(local):
    """Start a cluster with a running pod that has GPUs, and one that ends slowly."""
    local.start()
    cluster = Cluster(local)
    cluster.load(PLAIN)
    stubborn = "trap '' TERM; while true; do sleep 1; done"
    for name, gpus in (("polite", 2), ("stubborn", 0)):
        container = {
            "name": "main",
            "image": PLAIN.name,
            "command": ["sh", "-c", stubborn if not gpus else "exec sleep 600"],
        }
        container["resources"] = {"limits": {"nvidia.com/gpu": gpus}} if gpus else {}
        cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name},
                "spec": {"containers": [container]},
            },
            namespace="default",
        )
    cluster.kubectl("wait", "--for=condition=Ready", "pod/polite", "pod/stubborn", "--timeout=40s")
    return cluster


def test_nothing_is_left_after_an_orderly_end(local, before):
    with_pods(local)
    assert left(local, before), "the comparison sees a running cluster"

    local.stop()

    assert left(local, before) == []


@pytest.mark.parametrize("seconds", [0.3, 1.5, 4.0, 7.0])
def test_nothing_is_left_of_a_start_that_was_killed(local, before, seconds):
    starting = subprocess.Popen(
        [sys.executable, "-c", START], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    time.sleep(seconds)
    starting.kill()
    starting.wait()

    Local().stop()

    assert left(local, before) == []


@pytest.mark.parametrize(
    "killed",
    [
        pytest.param(("kubelet",), id="the kubelet"),
        pytest.param(("containerd",), id="containerd"),
        pytest.param(("kube-apiserver", "etcd"), id="the control plane"),
        pytest.param(("kubelet", "containerd", "kube-apiserver", "kube-proxy", "fakegpu"), id="all at once"),
    ],
)
def test_nothing_is_left_when_parts_were_killed_under_running_pods(local, before, killed):
    with_pods(local)
    for name in killed:
        local.components().kill(name)

    local.stop()

    assert left(local, before) == []


def test_a_start_that_fails_takes_everything_back_and_says_why(local, before, monkeypatch):
    monkeypatch.setattr(type(local._commands), "kubelet", lambda _: ["sh", "-c", "echo no such flag; exit 1"])

    with pytest.raises(HarnessError, match="kubelet ended:\nno such flag"):
        local.start()

    assert left(local, before) == []


def test_a_second_start_waits_for_what_was_left_to_be_taken_away(local):
    local.start()
    local.components().kill("kube-apiserver")

    with pytest.raises(HarnessError, match="make e2e-down"):
        Local().start()


def test_a_cluster_that_runs_is_taken_up_by_the_next_program(local):
    local.start()
    began = time.monotonic()

    again = Local()
    again.start()

    assert time.monotonic() - began < 2
    assert "node1" in Cluster(again).kubectl("get", "nodes")


def test_frozen_programs_end_too(local, before):
    local.start()
    for name in ("kubelet", "containerd"):
        local.processes.identity(name).send(signal.SIGSTOP)

    local.stop()

    assert left(local, before) == []
