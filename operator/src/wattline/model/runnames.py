"""What the objects of a workflow's run are called, so that whoever comes back finds them: operator and runner alike."""

import re

RUN = "wattline.dev/run"
"""Label of what belongs to a run; its value is the run's id."""

STEP = "wattline.dev/step"
"""Label of what belongs to a step of a run; its value is the step's name."""

SPEC_KEY = "workflow.json"
"""Key of the ConfigMap of a run under which the spec stands as it is run, whatever becomes of the workflow."""

RUN_FAILED_CODE = 3
"""Exit status of a runner whose run ended and failed; its Job is not tried again."""

LONGEST = 63
"""Names of Jobs go into labels of their pods."""


def run_id(uid: str, generation: int) -> str:
    """Return the id of the run of one generation of one object."""
    return f"{uid[:8]}-{generation}"


def generation_of(run: str) -> int:
    """Return the generation that a run is of."""
    return int(run.rpartition("-")[2])


def session(namespace: str, workflow: str, run: str) -> str:
    """Return the session under which the gateway knows a run."""
    return f"{namespace}/{workflow}/{run}"


def account(workflow: str, uid: str) -> str:
    """Return the name of the service account of a workflow's runners."""
    return _name(workflow, uid[:8])


def runner(workflow: str, run: str) -> str:
    """Return the name of a run's Job, and of the ConfigMap with its spec."""
    return _name(workflow, run)


def tool(workflow: str, run: str, step: str) -> str:
    """Return the name of the Job of a step."""
    return _name(workflow, f"{run}-{step}")


def answer(workflow: str, run: str, step: str) -> str:
    """Return the name of the ConfigMap that holds a long answer."""
    return f"{tool(workflow, run, step)}.answer"


def _name(workflow: str, tail: str) -> str:
    """Return a name that holds what tells it apart and as much of the workflow's name as there is room for."""
    head = re.sub(r"[^a-z0-9-]", "-", workflow)[: LONGEST - len(tail) - 1].strip("-")
    return f"{head}-{tail}" if head else f"r-{tail}"
