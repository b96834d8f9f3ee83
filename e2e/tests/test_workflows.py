"""Workflows that run when they are applied: a Job for each run, through the gateway, to its end whatever is killed."""

from typing import Any

import pytest
import yaml

from harness.cluster import Cluster
from harness.command import wait_until
from harness.images import PLAIN
from harness.metrics import series
from harness.settings import REPOSITORY
from harness.stage import MODEL, Stage, external
from harness.traffic import Agents

EXAMPLE = REPOSITORY / "examples/cluster/workflow-on-apply.yaml"


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

    def __init__(self, staged: Stage) -> None:
        self._staged, self.namespace = staged, staged.namespace

    def apply(self, workflow: dict[str, Any]) -> None:
        """Apply a workflow as a user does."""
        self._staged.apply(workflow)

    def status(self, name: str) -> dict[str, Any]:
        """Return a workflow's status as it is now."""
        return self._staged.status("wf", name)

    def until(self, name: str, *phases: str) -> dict[str, Any]:
        """Return the status once the workflow is in one of some phases."""
        wait_until(
            lambda: self.status(name).get("phase") in phases,
            f"workflow {name} is {' or '.join(phases)}",
            timeout_seconds=120,
            every_seconds=0.5,
        )
        return self.status(name)

    def until_reason(self, name: str, reason: str) -> None:
        """Wait until the workflow gives a reason."""
        wait_until(
            lambda: self.status(name).get("reason") == reason,
            f"workflow {name} says {reason}",
            every_seconds=0.3,
        )

    def there(self, kind: str) -> list[dict[str, Any]]:
        """Return what runs made."""
        items: list[dict[str, Any]] = self._staged.get(kind, "-l", "wattline.dev/run")["items"]
        return items

    def agents(self, workflow: str) -> Agents:
        """Return agents elsewhere that name a workflow."""
        return self._staged.agents(workflow)

    def counted(self, name: str, workflow: str) -> list[tuple[dict[str, str], float]]:
        """Return what the gateway counts of a workflow: the labels and the value of each series of a name."""
        of = f"{self.namespace}/{workflow}"
        told = series(self._staged.told(), name)
        return [(labels, value) for labels, value in told if labels["workflow"] == of]


@pytest.fixture(scope="module")
def workflows(serving: Stage, plain: str) -> Workflows:
    """A namespace for workflows, with a pool of their model."""
    return Workflows(serving)


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
    workflows.until_reason("waits", "WaitingForModel")
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
    workflows.until_reason("wrong", "TemplateInvalid")

    accepted = workflows.status("wrong")["conditions"][0]
    assert (accepted["type"], accepted["status"]) == ("Accepted", "False")
    assert "there is no parameter isue; parameters here: issue" in accepted["message"]


def test_a_run_that_used_up_its_joules_is_stopped_before_its_next_step(workflows: Workflows) -> None:
    ask = {"model": MODEL, "prompt": "say something"}
    rest = {
        "job": {"image": PLAIN.name, "command": ["sleep", "4"]}
    }  # until the joules of the first are settled
    steps = [{"name": "first", "llm": ask}, {"name": "rest", "tool": rest}, {"name": "second", "llm": ask}]
    workflows.apply(example("dear", steps=steps, budget={"maxJoules": 1, "onExceeded": "Stop"}))

    status = workflows.until("dear", "Succeeded", "Failed")

    run = status["run"]
    assert (status["phase"], status["reason"]) == ("Failed", "BudgetExhausted"), run
    assert run["steps"][0]["phase"] == "Succeeded"
    assert run["steps"][2].get("phase", "Pending") == "Pending"
    assert run["joules"] > 1
    assert "of 1 J" in run["message"]


def test_agents_elsewhere_are_counted_for_the_tenant_of_the_workflow_that_they_name(
    workflows: Workflows,
) -> None:
    workflows.apply(external("review", "platform"))
    agents = workflows.agents("review")
    wait_until(
        lambda: agents.run("review-0", 1) == 1, "an agent is answered", timeout_seconds=60, every_seconds=1
    )

    assert agents.run("review-1", 3) == 3

    wait_until(
        lambda: (
            sum(value for _, value in workflows.counted("wattline_workflow_energy_joules_total", "review"))
            > 0
        ),
        "its joules are counted",
        timeout_seconds=20,
        every_seconds=0.5,
    )
    for name in ("wattline_workflow_energy_joules_total", "wattline_workflow_tokens_total"):
        counted = workflows.counted(name, "review")
        assert counted
        assert all(labels["tenant"] == "platform" for labels, _ in counted)
    status = workflows.status("review")
    assert status["reason"] == "AgentsElsewhere"


def test_agents_elsewhere_are_stopped_where_their_budget_ends(workflows: Workflows) -> None:
    workflows.apply(external("small", "platform", budget={"maxJoules": 1, "onExceeded": "Stop"}))
    agents = workflows.agents("small")
    hello = [{"role": "user", "content": "say something " * 40}]
    wait_until(
        lambda: agents.ask("small-1", hello)[0] == 200,
        "an agent is answered",
        timeout_seconds=60,
        every_seconds=1,
    )
    said: list[Any] = []

    def stopped() -> bool:
        said[:] = agents.ask("small-1", hello)
        return said[0] == 429

    wait_until(stopped, "its next turn is refused", timeout_seconds=30, every_seconds=0.5)

    assert said[1]["error"]["type"] == "energy_budget"
    assert f"workflow {workflows.namespace}/small stops its runs there" in said[1]["error"]["message"]
    assert agents.ask("small-2", hello)[0] == 200, "another run has a budget of its own"
    assert agents.ask("small-1", hello)[0] == 429


def test_a_workflow_that_is_not_there_is_named_to_who_names_it(workflows: Workflows) -> None:
    status, body = workflows.agents("mistyped").ask("mistyped", [{"role": "user", "content": "hello"}])

    assert status == 404
    assert body["error"]["code"] == "workflow_not_found"
    assert f"{workflows.namespace}/mistyped does not exist" in body["error"]["message"]
