"""The Job of a tool gets no rights, and what became of it is told in words."""

import pytest

from wattline.api.agentworkflow import ToolJob
from wattline.workflow import jobs

OWNER = jobs.Owner("agents", "fix-issue", "11111111-2222", "11111111-1")


def job(**changes):
    return ToolJob.model_validate({"image": "example/tests"} | changes)


def pod(*, terminated=None, waiting=None, conditions=()):
    state = {"terminated": terminated} if terminated else {"waiting": waiting} if waiting else {}
    return {
        "metadata": {"name": "p"},
        "status": {
            "conditions": list(conditions),
            "containerStatuses": [{"name": jobs.CONTAINER, "state": state}],
        },
    }


def test_a_tools_pod_has_no_account_and_goes_with_its_workflow():
    made = jobs.manifest(OWNER, "test", job(command=["pytest", "-q"]), {"PLAN": "x; rm -rf /"})
    pod_spec = made["spec"]["template"]["spec"]
    container = pod_spec["containers"][0]

    assert made["metadata"]["name"] == "fix-issue-11111111-1-test"
    assert made["metadata"]["ownerReferences"][0]["uid"] == OWNER.uid
    assert pod_spec["automountServiceAccountToken"] is False
    assert container["securityContext"] == {"allowPrivilegeEscalation": False}
    assert container["command"] == ["pytest", "-q"]
    assert container["env"] == [{"name": "PLAN", "value": "x; rm -rf /"}]
    assert made["spec"]["backoffLimit"] == 0


def test_a_container_may_be_more_or_less_trusted_where_the_user_says_so():
    tight = job(securityContext={"runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}})
    loose = job(securityContext={"allowPrivilegeEscalation": True})

    def context(of):
        made = jobs.manifest(OWNER, "test", of, {})
        return made["spec"]["template"]["spec"]["containers"][0]["securityContext"]

    assert context(tight)["allowPrivilegeEscalation"] is False
    assert context(tight)["runAsNonRoot"] is True
    assert context(loose) == {"allowPrivilegeEscalation": True}


def test_the_images_own_entrypoint_runs_where_no_command_is_given():
    made = jobs.manifest(OWNER, "test", job(), {})

    assert "command" not in made["spec"]["template"]["spec"]["containers"][0]


def test_names_stay_short_enough_for_labels_and_differ_between_runs_and_steps():
    long = jobs.Owner("agents", "a-very.long-name" * 10, "11111111-2222", "11111111-1234")
    names = {jobs.manifest(long, step, job(), {})["metadata"]["name"] for step in ("a" * 24, "b" * 24)}

    assert len(names) == 2
    assert all(len(name) <= 63 and "." not in name for name in names)


@pytest.mark.parametrize(
    ("conditions", "over"),
    [
        pytest.param([], None, id="it runs"),
        pytest.param([{"type": "SuccessCriteriaMet", "status": "True"}], None, id="it is about to end"),
        pytest.param([{"type": "Complete", "status": "True"}], True, id="it ended well"),
        pytest.param([{"type": "Failed", "status": "True"}], False, id="it failed"),
    ],
)
def test_whether_a_job_is_over(conditions, over):
    assert jobs.over({"status": {"conditions": conditions}}) is over


def test_the_answer_is_what_the_last_pod_wrote():
    early = pod(terminated={"message": "1 failed", "finishedAt": "2026-01-01T00:00:00Z"})
    late = pod(terminated={"message": "green", "finishedAt": "2026-01-01T00:01:00Z"})

    assert jobs.said([late, early]) == "green"
    assert jobs.said([pod()]) == ""


def test_a_failure_is_told_with_exit_status_and_last_words():
    failed = {"status": {"conditions": [{"type": "Failed", "status": "True", "message": "backoff limit"}]}}

    assert jobs.failure(failed, [pod(terminated={"exitCode": 2, "message": "no tests\n"})]) == (
        "exit status 2: no tests"
    )
    assert jobs.failure(failed, []) == "backoff limit"


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        pytest.param(pod(), None, id="nothing"),
        pytest.param(None, "WaitingForTool", id="a pod that the cluster does not make"),
        pytest.param(pod(waiting={"reason": "ContainerCreating"}), None, id="what always takes a moment"),
        pytest.param(
            pod(waiting={"reason": "ImagePullBackOff", "message": "not found"}),
            "WaitingForTool",
            id="an image",
        ),
        pytest.param(
            pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]),
            "WaitingForCapacity",
            id="a node",
        ),
    ],
)
def test_what_keeps_a_tool_from_starting_is_named(seen, reason):
    found = jobs.waits_for(jobs.manifest(OWNER, "test", job(), {}), [] if seen is None else [seen])

    assert (found[0] if found else None) == reason
