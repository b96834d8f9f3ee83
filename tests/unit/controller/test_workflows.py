"""Which runs of workflows begin and go on, and what their statuses say."""

import pytest

from wattline.api.agentworkflow import AgentWorkflow
from wattline.api.base import Condition, ConditionStatus
from wattline.api.inferencepool import InferencePool, InferencePoolStatus
from wattline.controller.decide import decide
from wattline.controller.workflows import workflow_actions, workflow_statuses
from wattline.model.actions import Apply, Say
from wattline.model.cluster import Broken, ClusterView, JobSeen
from wattline.model.fleet import Fleet
from wattline.model.runnames import SPEC_KEY, run_id, runner

AT = "2026-01-01T00:00:00Z"
UID = "11111111-2222-3333"
NAME = "agents/fix"
STEPS = [{"name": "plan", "llm": {"model": "m", "prompt": "p"}}]


def workflow(*, generation=1, run=None, uid=UID, **spec):
    steps = {"steps": STEPS} if spec.get("trigger") != "External" else {}
    return AgentWorkflow.model_validate(
        {
            "kind": "AgentWorkflow",
            "metadata": {"name": "fix", "namespace": "agents", "generation": generation, "uid": uid},
            "spec": steps | spec,
            "status": None if run is None else {"run": run},
        }
    )


def run(generation=1, phase="Running", **more):
    return {"id": run_id(UID, generation), "generation": generation, "phase": phase} | more


def job(generation=1, **more):
    return JobSeen("agents", runner("fix", run_id(UID, generation)), run_id(UID, generation), UID, **more)


def view(each, *jobs, image="wattline:1", **more):
    known = {f"{seen.namespace}/{seen.name}": seen for seen in jobs}
    return ClusterView(
        Fleet(workflows=(each,)), 1, jobs=known, clustered=True, image=image, gateway="http://gw", **more
    )


def begun(seen):
    """Generations whose Job is applied."""
    manifests = [action.manifest for action in workflow_actions(seen)]
    return [
        int(each["metadata"]["labels"]["wattline.dev/run"].rpartition("-")[2])
        for each in manifests
        if each["kind"] == "Job"
    ]


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        pytest.param(view(workflow()), [1], id="applied: it begins"),
        pytest.param(view(workflow(), job()), [], id="begun: it is left alone"),
        pytest.param(view(workflow(run=run()), job()), [], id="running"),
        pytest.param(view(workflow(run=run())), [1], id="running, and its Job is gone: it goes on"),
        pytest.param(view(workflow(run=run(phase="Succeeded"))), [], id="done"),
        pytest.param(view(workflow(run=run()), job(failed=True)), [], id="its runner is given up"),
        pytest.param(
            view(workflow(generation=2, run=run(phase="Succeeded"))), [], id="changed after its end"
        ),
        pytest.param(
            view(workflow(generation=2, rerun="OnChange", run=run(phase="Failed"))),
            [2],
            id="changed after its end, and to be run again",
        ),
        pytest.param(
            view(workflow(generation=2, rerun="OnChange", run=run()), job()),
            [],
            id="changed while it runs: one after the other",
        ),
        pytest.param(
            view(workflow(generation=2, rerun="OnChange"), job(failed=True)), [2], id="the last one crashed"
        ),
        pytest.param(
            view(workflow(generation=3, rerun="OnChange", run=run(phase="Succeeded")), job(2)),
            [],
            id="the next has begun and said nothing yet",
        ),
        pytest.param(
            view(workflow(generation=2, run=run())), [1], id="changed while it runs, its Job is gone"
        ),
        pytest.param(
            view(workflow(uid="99999999-0", run=run(phase="Succeeded"))), [1], id="another of the same name"
        ),
        pytest.param(view(workflow(trigger="External")), [], id="agents elsewhere"),
        pytest.param(view(workflow(), image=""), [], id="no image to run"),
        pytest.param(
            view(workflow(steps=[{"name": "plan", "llm": {"model": "m", "prompt": "{{ x }}"}}])),
            [],
            id="a template that names nothing",
        ),
    ],
)
def test_a_run_begins_once_or_once_a_generation_and_goes_on_if_its_job_is_gone(seen, wanted):
    assert begun(seen) == wanted


def test_a_run_that_begins_has_its_spec_written_down_and_an_account_and_all_goes_with_the_workflow():
    seen = view(workflow(), image_pull_policy="Never")
    manifests = {each.manifest["kind"]: each.manifest for each in workflow_actions(seen)}

    assert list(manifests) == ["ServiceAccount", "RoleBinding", "ConfigMap", "Job"]
    assert all(m["metadata"]["ownerReferences"][0]["uid"] == UID for m in manifests.values())
    assert '"prompt":"p"' in manifests["ConfigMap"]["data"][SPEC_KEY]
    pod = manifests["Job"]["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == manifests["ServiceAccount"]["metadata"]["name"]
    assert pod["containers"][0]["imagePullPolicy"] == "Never"
    assert pod["containers"][0]["args"] == [
        "run-workflow", "agents/fix", "--run=11111111-1", "--gateway=http://gw",
    ]  # fmt: skip
    assert manifests["ConfigMap"]["metadata"]["name"] == manifests["Job"]["metadata"]["name"]


def test_a_run_that_goes_on_after_its_workflow_changed_keeps_the_spec_it_began_with():
    kinds = [each.manifest["kind"] for each in workflow_actions(view(workflow(generation=2, run=run())))]

    assert kinds == ["ServiceAccount", "RoleBinding", "Job"]


def status(seen, pools=None):
    return workflow_statuses(seen, pools or {}, AT)[NAME]


def conditions(said):
    return {each.type: (each.status.value, each.reason) for each in said.conditions}


@pytest.mark.parametrize(
    ("seen", "phase", "reason"),
    [
        pytest.param(view(workflow()), "Pending", "Starting", id="new"),
        pytest.param(view(workflow(), image=""), "Pending", "NoImage", id="no image to run"),
        pytest.param(view(workflow(), job()), "Pending", "Starting", id="its pod has not begun"),
        pytest.param(
            view(workflow(run=run(reason="WaitingForCapacity")), job()),
            "Running",
            "WaitingForCapacity",
            id="what its runner says",
        ),
        pytest.param(
            view(workflow(run=run(phase="Succeeded", reason="AllStepsDone"))),
            "Succeeded",
            "AllStepsDone",
            id="done",
        ),
        pytest.param(
            view(workflow(run=run(reason="RunningStep")), job(failed=True, message="backoff limit")),
            "Failed",
            "RunnerFailed",
            id="its runner crashed too often",
        ),
        pytest.param(
            view(workflow(run=run(phase="Failed", reason="StepFailed")), job(failed=True)),
            "Failed",
            "StepFailed",
            id="its runner said why",
        ),
        pytest.param(view(workflow(trigger="External")), None, "AgentsElsewhere", id="agents elsewhere"),
    ],
)
def test_a_status_says_how_far_a_run_is_and_why(seen, phase, reason):
    said = status(seen)

    assert ((said.phase and said.phase.value), said.reason) == (phase, reason)
    assert said.run is None, "that part is the runner's"
    if phase is not None:
        assert conditions(said)["Complete"] == (str(phase == "Succeeded"), reason)


def test_a_run_that_waits_for_replicas_that_have_no_watts_waits_for_power():
    pool = InferencePool.model_validate(
        {
            "kind": "InferencePool",
            "metadata": {"name": "coder", "namespace": "agents"},
            "spec": {"model": "m", "poolRef": {"name": "p"}},
        }
    )
    each = workflow(run=run(reason="WaitingForReplicas", steps=[{"name": "plan", "phase": "Running"}]))
    seen = ClusterView(Fleet(pools=(pool,), workflows=(each,)), 1, clustered=True, image="i")
    waits = Condition(
        type="Ready", status=ConditionStatus.FALSE, reason="WaitingForPower", message="needs 90 W more"
    )

    said = status(seen, {"agents/coder": InferencePoolStatus(conditions=(waits,))})

    assert said.reason == "WaitingForPower"
    assert "needs 90 W more" in next(c for c in said.conditions if c.type == "Complete").message


@pytest.mark.parametrize(
    ("joules", "within"),
    [pytest.param(10, "True", id="something left"), pytest.param(200, "False", id="used up")],
)
def test_a_budget_that_is_used_up_is_a_condition(joules, within):
    said = status(view(workflow(run=run(joules=joules), budget={"maxJoules": 100}), job()))

    assert conditions(said)["WithinBudget"][0] == within


def test_a_workflow_that_cannot_be_followed_says_so_and_others_go_on():
    bad = workflow(steps=[{"name": "plan", "llm": {"model": "m", "prompt": "{{ parameters.isue }}"}}])
    seen = view(bad, broken=(Broken("AgentWorkflow", "agents/odd", 4, "spec.weight: not a number"),))

    statuses = workflow_statuses(seen, {}, AT)

    assert conditions(statuses[NAME])["Accepted"] == ("False", "TemplateInvalid")
    assert "spec.steps.0.llm.prompt: {{ parameters.isue }}" in statuses[NAME].conditions[0].message
    assert conditions(statuses["agents/odd"])["Accepted"] == ("False", "Unreadable")
    assert statuses["agents/odd"].observed_generation == 4


def test_a_pass_begins_runs_and_says_what_changed():
    decisions = decide(view(workflow(run=run(phase="Failed", reason="StepFailed", message="plan: no"))), AT)

    said = [action for action in decisions.actions if isinstance(action, Say)]
    assert not [action for action in decisions.actions if isinstance(action, Apply)]
    assert [(each.kind, each.namespace, each.reason, each.warning) for each in said] == [
        ("AgentWorkflow", "agents", "StepFailed", True)
    ]
