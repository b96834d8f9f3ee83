"""Workflows that run when they are applied: a Job for each run, through the gateway, to its end whatever is killed."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from harness.cluster import Cluster
from harness.command import wait_until
from harness.images import PLAIN, WATTLINE
from harness.local import Local
from harness.release import Release
from harness.settings import REPOSITORY
from harness.world import World

MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct"
EXAMPLE = REPOSITORY / "examples/cluster/workflow-on-apply.yaml"


def pool(world: str) -> dict[str, Any]:
    """Return a pool of one engine on a simulated GPU."""
    engine = {
        "name": "engine",
        "image": WATTLINE.name,
        "args": ["fake-engine", f"--world={world}", f"--model={MODEL}", "--loading=1"],
        "ports": [{"name": "http", "containerPort": 8000}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 1},
        "resources": {"limits": {"nvidia.com/gpu": 1}},
    }
    template = {"spec": {"terminationGracePeriodSeconds": 1, "containers": [engine]}}
    return {
        "apiVersion": "wattline.dev/v1alpha1",
        "kind": "InferencePool",
        "metadata": {"name": "coder"},
        "spec": {"model": MODEL, "replicas": 1, "template": template},
    }


def example(name: str, **changes: Any) -> dict[str, Any]:
    """Return the repository's example with the tests' model and image."""
    made: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    made["metadata"]["name"] = name
    for step in made["spec"]["steps"]:
        if "llm" in step:
            step["llm"]["model"] = MODEL
        else:
            step["tool"]["job"]["image"] = PLAIN.name
            step["tool"]["job"]["command"][0] = "python3"
    made["spec"] |= changes
    return made


class Workflows:
    """Workflows of one namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self.namespace = cluster, namespace

    def apply(self, workflow: dict[str, Any]) -> None:
        """Apply a workflow as a user does."""
        self._cluster.apply(workflow, namespace=self.namespace)

    def status(self, name: str) -> dict[str, Any]:
        """Return a workflow's status as it is now."""
        found: dict[str, Any] = self._cluster.get("wf", name, "-n", self.namespace).get("status", {})
        return found

    def until(self, name: str, *phases: str) -> dict[str, Any]:
        """Return the status once the workflow is in one of some phases."""
        wait_until(
            lambda: self.status(name).get("phase") in phases,
            f"workflow {name} is {' or '.join(phases)}",
            timeout_seconds=120,
            every_seconds=0.5,
        )
        return self.status(name)

    def there(self, kind: str) -> list[dict[str, Any]]:
        """Return what runs made."""
        listed = self._cluster.kubectl(
            "get", kind, "-n", self.namespace, "-l", "wattline.dev/run", "-o", "json"
        )
        items: list[dict[str, Any]] = json.loads(listed)["items"]
        return items


@pytest.fixture(scope="module")
def workflows(cluster: Cluster, images: tuple[str, ...], plain: str) -> Iterator[Workflows]:
    """The chart, a pool of one simulated engine, and a namespace for workflows."""
    provider = cluster.provider
    if not isinstance(provider, Local):
        pytest.skip("simulated GPUs are on the local provider's node only")
    node, namespace = provider.settings.node, f"workflows-{secrets.token_hex(3)}"
    world, release = World(cluster, provider.settings), Release(cluster)
    try:
        release.install("restore.timeoutSeconds=15")
        cluster.kubectl("create", "namespace", namespace)
        cluster.kubectl("wait", "--for=create", "serviceaccount/default", "-n", namespace, "--timeout=20s")
        world.start(namespace)
        cluster.kubectl("label", "node", node, "wattline.dev/managed=true", "--overwrite")
        address = cluster.get("pod", "world", "-n", namespace)["status"]["podIP"]
        cluster.apply(pool(f"http://{address}:9900"), namespace=namespace)
        yield Workflows(cluster, namespace)
    finally:
        cluster.kubectl("delete", "wpool,wf", "--all", "-n", namespace, "--ignore-not-found", check=False)
        cluster.kubectl("label", "node", node, "wattline.dev/managed-", check=False)
        release.uninstall()
        cluster.kubectl("delete", "namespace", namespace, "--wait=false", check=False)


def test_the_example_runs_to_its_end_and_says_what_it_cost(workflows: Workflows, kubectl: Any) -> None:
    workflows.apply(example("fix-issue"))

    status = workflows.until("fix-issue", "Succeeded", "Failed")
    run = status["run"]

    assert (status["phase"], status["reason"], run["progress"]) == ("Succeeded", "AllStepsDone", "3/3"), run
    assert set(json.loads(run["steps"][0]["answer"])) == {"functions", "why"}
    assert run["steps"][2]["answer"].startswith(("1 lines: ", "2 lines: "))
    assert run["tokens"] > 0
    assert 0 < run["joules"] < 400_000
    printed = kubectl("get", "wf", "fix-issue", "-n", workflows.namespace)
    assert printed.split()[:7] == ["NAME", "PHASE", "STEPS", "ENERGY(J)", "BUDGET(J)", "REASON", "AGE"]
    assert "Succeeded" in printed
    assert "3/3" in printed


def test_a_runner_that_is_killed_is_followed_by_one_that_goes_on(
    cluster: Cluster, workflows: Workflows
) -> None:
    workflows.apply(example("killed"))
    wait_until(
        lambda: (workflows.status("killed").get("run") or {}).get("progress") == "1/3",
        "the first step is done",
        timeout_seconds=60,
        every_seconds=0.2,
    )
    asked = workflows.status("killed")["run"]["steps"][0]
    cluster.kubectl(
        "delete", "pod", "-n", workflows.namespace, "--grace-period=0", "--force",
        "-l", "wattline.dev/run,!wattline.dev/step", check=False,
    )  # fmt: skip

    run = workflows.until("killed", "Succeeded", "Failed")["run"]

    assert run["phase"] == "Succeeded", run
    assert run["steps"][0] == asked, "an answer that was saved is not asked for again"


def test_a_workflow_waits_for_its_model_by_name_and_its_jobs_go_with_it(
    cluster: Cluster, workflows: Workflows
) -> None:
    missing = [{"name": "ask", "llm": {"model": "no/such-model", "prompt": "hello"}}]
    workflows.apply(example("waits", steps=missing))
    wait_until(
        lambda: workflows.status("waits").get("reason") == "WaitingForModel",
        "the workflow waits for its model",
        timeout_seconds=60,
        every_seconds=0.5,
    )
    uid = cluster.get("wf", "waits", "-n", workflows.namespace)["metadata"]["uid"]
    cluster.kubectl("delete", "wf", "waits", "-n", workflows.namespace, timeout_seconds=20)

    def left() -> list[str]:
        return [
            f"{kind}/{each['metadata']['name']}"
            for kind in ("job", "pod", "configmap")
            for each in workflows.there(kind)
            if uid[:8] in each["metadata"]["labels"]["wattline.dev/run"]
        ]

    wait_until(lambda: not left(), "everything of the run is gone", timeout_seconds=60, every_seconds=1)


def test_a_template_that_names_nothing_is_said_before_anything_runs(workflows: Workflows) -> None:
    wrong = [{"name": "ask", "llm": {"model": MODEL, "prompt": "{{ parameters.isue }}"}}]
    workflows.apply(example("wrong", steps=wrong))
    wait_until(
        lambda: workflows.status("wrong").get("reason") == "TemplateInvalid",
        "the template is refused",
        timeout_seconds=30,
        every_seconds=0.5,
    )

    accepted = workflows.status("wrong")["conditions"][0]
    assert (accepted["type"], accepted["status"]) == ("Accepted", "False")
    assert "there is no parameter isue; parameters here: issue" in accepted["message"]
