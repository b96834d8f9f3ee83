"""What is told of GPUs that nobody here reads any more, while the driver is left alone or before it first answers. Pure.

Settings do not outlive the driver, so a GPU whose driver may be exchanged counts at its greatest limit.
"""

from collections.abc import Iterable
from math import fsum

from wattline.api.powernode import GpuStatus, NodeState, Outcome, PowerNodeStatus
from wattline.model.bounds import bound_watts
from wattline_agent.messages import View


def let_go(seen: View, reason: str, now: float) -> View:
    """Return what the last view is once the device process has let go of the driver, and why it did."""
    gpus = _at_most((line.status for line in seen.gpus), f"Released: {reason}")
    return seen.model_copy(
        update={
            "at_seconds": now,
            "state": NodeState.RELEASED,
            "reason": reason,
            "waiting": reason,
            "let_go": True,
            "budget_watts": None,
            "budget_source": None,
            "budget_sources": (),
            "bound_watts": fsum(gpu.bound_watts for gpu in gpus),
            "gpus": tuple(
                line.model_copy(
                    update={"status": gpu, "sample": None, "instant_watts": None, "clock_asked_mhz": None}
                )
                for line, gpu in zip(seen.gpus, gpus, strict=True)
            ),
        }
    )


def released(told: PowerNodeStatus, reason: str) -> PowerNodeStatus:
    """Return what to tell while the driver is left alone and no device process was heard: of the GPUs told last."""
    gpus = _at_most(told.gpus, f"Released: {reason}")
    return told.model_copy(
        update={
            "state": NodeState.RELEASED,
            "reason": reason,
            "gpus": gpus,
            "budget_source": "",
            "bound_watts": fsum(gpu.bound_watts for gpu in gpus),
        }
    )


def without_driver(seen: PowerNodeStatus, known: Iterable[GpuStatus]) -> PowerNodeStatus:
    """Return what to tell while a new device process finds no driver: of the GPUs known, at their greatest limits.

    Nobody can say that they are gone, and a node of which no GPU is told counts as if it drew without end.
    """
    gpus = _at_most(known, seen.reason, Outcome.ERROR)
    return seen.model_copy(update={"gpus": gpus, "bound_watts": fsum(gpu.bound_watts for gpu in gpus)})


def silent(told: PowerNodeStatus, reason: str, boot_id: str) -> PowerNodeStatus:
    """Return what to tell of a device process that was not heard since the start: its driver call may hang.

    The limits that a predecessor read back still stand, as nobody could write them since, unless the node was booted.
    """
    degraded = {"state": NodeState.DEGRADED, "reason": reason}
    if told.boot_id == boot_id:
        return told.model_copy(update=degraded)
    return released(told, reason).model_copy(update=degraded | {"boot_id": boot_id, "observed_generation": 0})


def _at_most(
    gpus: Iterable[GpuStatus], reason: str, outcome: Outcome = Outcome.NONE
) -> tuple[GpuStatus, ...]:
    return tuple(
        gpu.model_copy(
            update={
                "requested_watts": None,
                "enforced_watts": None,
                "bound_watts": bound_watts(gpu.product, None, gpu.max_watts),
                "outcome": outcome,
                "reason": reason,
                "read_at_seconds": None,
            }
        )
        for gpu in gpus
    )
