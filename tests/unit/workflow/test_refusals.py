"""What a refused call means for a step: wait and ask again, stop the run, or give the step up."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.workflow.refusals import MOST_FAILURES, Fail, Refusal, Stop, Wait, decide


def refusal(status, reason="", *, retry_after=None, kind="", message="why"):
    headers = {} if not reason else {"x-wattline-refused-reason": reason}
    if retry_after is not None:
        headers["retry-after"] = retry_after
    return Refusal(status, headers, json.dumps({"error": {"type": kind, "message": message}}))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        pytest.param(refusal(429, "rejected-saturated"), "WaitingForCapacity", id="memory is taken"),
        pytest.param(refusal(503, "rejected-ttl-expired"), "WaitingForCapacity", id="it waited in vain"),
        pytest.param(refusal(503, "rejected-no-endpoints"), "WaitingForReplicas", id="no engine answers"),
        pytest.param(refusal(404, "rejected-no-such-model"), "WaitingForModel", id="the pool comes later"),
        pytest.param(refusal(404, "rejected-no-such-workflow"), "WaitingForGateway", id="not seen there yet"),
        pytest.param(refusal(503, "rejected-draining"), "WaitingForGateway", id="the gateway is replaced"),
        pytest.param(Refusal(0, {}, "connection refused"), "WaitingForGateway", id="nobody answers"),
        pytest.param(refusal(429), "WaitingForCapacity", id="somebody between us and the gateway says so"),
        pytest.param(refusal(502), "EngineFailed", id="an engine fails"),
    ],
)
def test_what_comes_with_time_is_waited_for_by_name(said, reason):
    verdict = decide(said, tries=0, failures=0, spread=0.0)

    assert isinstance(verdict, Wait)
    assert verdict.reason == reason


@pytest.mark.parametrize("kind", ["energy_budget", "time_budget"])
def test_a_budget_that_is_used_up_stops_the_run(kind):
    verdict = decide(refusal(429, "rejected-budget-exhausted", kind=kind, message="9 J"), 0, 0, 0.0)

    assert verdict == Stop("9 J")


@pytest.mark.parametrize(
    ("said", "failures", "message"),
    [
        pytest.param(refusal(400, message="bad schema"), 0, "400: bad schema", id="what is asked is wrong"),
        pytest.param(refusal(400, "rejected-too-large"), 0, "400: why", id="no memory is large enough"),
        pytest.param(refusal(500), MOST_FAILURES - 1, "500: why", id="an engine that keeps failing"),
        pytest.param(Refusal(404, {}, "<html>"), 0, "404: <html>", id="it is no gateway at all"),
    ],
)
def test_what_time_does_not_mend_gives_the_step_up(said, failures, message):
    assert decide(said, 9, failures, 0.0) == Fail(message)


@pytest.mark.parametrize(
    ("retry_after", "tries", "seconds"),
    [
        pytest.param("12", 0, 12, id="as long as it is told"),
        pytest.param("0", 0, 1, id="never at once"),
        pytest.param("3600", 0, 60, id="never for very long"),
        pytest.param(None, 0, 1, id="a second first"),
        pytest.param(None, 4, 16, id="then twice as long each time"),
        pytest.param("Wed, 21 Oct 2026 07:28:00 GMT", 1, 2, id="a date is not read"),
    ],
)
def test_how_long_it_waits(retry_after, tries, seconds):
    assert decide(refusal(429, retry_after=retry_after), tries, 0, 0.0).seconds == seconds


@given(st.integers(0, 100), st.floats(0, 1))
def test_waits_are_bounded_and_spread(tries, spread):
    assert 1 <= decide(refusal(429), tries, 0, spread).seconds <= 75
