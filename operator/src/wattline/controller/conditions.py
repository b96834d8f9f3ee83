"""What all statuses share: conditions with their times, and readings summed."""

import math
from collections.abc import Sequence

from wattline.api.agentworkflow import AgentWorkflowStatus
from wattline.api.base import Condition, ConditionStatus
from wattline.api.inferencepool import InferencePoolStatus
from wattline.api.powerdomain import PowerDomainStatus
from wattline.model.cluster import NodeView
from wattline.model.references import Problem


def stamped(
    conditions: Sequence[Condition],
    before: PowerDomainStatus | InferencePoolStatus | AgentWorkflowStatus | None,
    at: str,
) -> tuple[Condition, ...]:
    """Return the conditions with the time their status last changed, kept from ``before`` where it did not."""
    old = {} if before is None else {condition.type: condition for condition in before.conditions}
    return tuple(
        condition.model_copy(
            update={
                "last_transition_time": old[condition.type].last_transition_time or at
                if condition.type in old and old[condition.type].status is condition.status
                else at
            }
        )
        for condition in conditions
    )


def accepted(generation: int, problem: Problem | None = None, remark: str = "") -> Condition:
    """Return the condition of an object that was read whole, or of one that cannot be followed, with the reason.

    On a box one that cannot be followed stops the pass instead.
    """
    holds = "every field and reference holds"
    return Condition(
        type="Accepted",
        status=ConditionStatus.TRUE if problem is None else ConditionStatus.FALSE,
        reason="Valid" if problem is None else problem.reason,
        message=(f"{holds}; {remark}" if remark else holds) if problem is None else worded(problem),
        observed_generation=generation,
    )


def worded(problem: Problem) -> str:
    """Return a problem with its field in front."""
    path = ".".join(str(part) for part in problem.path)
    return f"{path}: {problem.message}" if path else problem.message


def tenths(watts: float | None) -> float | None:
    """Return watts as people read them, to a tenth; nothing where they are not known or have no end."""
    return None if watts is None or not math.isfinite(watts) else round(watts, 1)


def draw_watts(node: NodeView | None) -> float | None:
    """Return the measured draw of a node's GPUs, or None while its agent does not answer."""
    if node is None or node.readings is None:
        return None
    return math.fsum(sample.watts for sample in node.readings.gpus)
