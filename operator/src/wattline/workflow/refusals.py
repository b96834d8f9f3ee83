"""What a refused or failed call of the gateway means for a step: wait and ask again, stop the run, or give the step up.

Whoever waits says for what. A pool that is not there yet, memory that is taken or watts that are missing come with
time, so a step waits for them as long as its run may last; only an engine that keeps failing ends it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

LEAST_WAIT_SECONDS = 1.0
MOST_WAIT_SECONDS = 60.0
"""Bounds of the time between two tries, in wall seconds; ours."""

MOST_FAILURES = 5
"""An engine that failed so often in a row for one call will do so again; ours."""

WAITS = {
    "rejected-saturated": "WaitingForCapacity",
    "rejected-ttl-expired": "WaitingForCapacity",
    "rejected-no-endpoints": "WaitingForReplicas",
    "rejected-draining": "WaitingForGateway",
    "rejected-no-such-model": "WaitingForModel",
    "rejected-no-such-workflow": "WaitingForGateway",
}
"""What a call waits for, by the gateway's reason."""

STOPS = frozenset({"energy_budget", "time_budget"})
"""Types of errors that end a run."""

REASON_HEADER = "x-wattline-refused-reason"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is none; the status is 0 where nobody answered."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again later."""

    seconds: float
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Stop:
    """End the run."""

    message: str


@dataclass(frozen=True, slots=True)
class Fail:
    """Give the step up."""

    message: str


def decide(refusal: Refusal, tries: int, failures: int, spread: float) -> Wait | Stop | Fail:
    """Return what follows. ``tries`` were made before, of which ``failures`` in a row failed at an engine; ``spread``
    between 0 and 1 keeps those who wait for the same apart.
    """
    kind, message = _said(refusal.body)
    reason = refusal.headers.get(REASON_HEADER, "")
    seconds = _seconds(refusal.headers.get("retry-after"), tries) * (1 + 0.25 * spread)
    if kind in STOPS:
        return Stop(message)
    if refusal.status == 0:
        return Wait(seconds, "WaitingForGateway", message)
    if reason in WAITS:
        return Wait(seconds, WAITS[reason], message)
    if refusal.status in {408, 429, 503}:
        return Wait(seconds, "WaitingForCapacity", message)
    if refusal.status >= 500 and failures + 1 < MOST_FAILURES:
        return Wait(seconds, "EngineFailed", message)
    return Fail(f"{refusal.status}: {message}")


def held(because: str, seconds: float) -> tuple[str, str]:
    """Return what a call waits for that the gateway holds, in a word and a sentence."""
    word = "WaitingForReplicas" if because == "NoReplicaUsable" else "WaitingForCapacity"
    return word, f"the gateway holds the call since {seconds:.0f} s{f': {because}' if because else ''}"


def _seconds(retry_after: str | None, tries: int) -> float:
    """Return what the answer asks for, else a second that doubles with every try; within bounds."""
    if retry_after is not None and retry_after.strip().isdecimal():
        asked = float(retry_after)
    else:
        asked = LEAST_WAIT_SECONDS * 2 ** min(tries, 10)
    return min(MOST_WAIT_SECONDS, max(LEAST_WAIT_SECONDS, asked))


def _said(body: str) -> tuple[str, str]:
    """Return type and message of an error in OpenAI's shape, or of whatever it is."""
    try:
        error = json.loads(body)["error"]
        return str(error.get("type") or ""), str(error.get("message") or "no message")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", body.strip()[:200] or "no message"
