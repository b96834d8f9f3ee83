"""Which runs the demo plays."""

from pathlib import Path

import pytest

from wattline.demo.runs import choose
from wattline.sim.recording import TraceError

LIMITS = {"arrive_within_seconds": 100.0, "longest_tokens": 76_000}


def test_the_same_seed_gives_the_same_load_and_another_one_another(tmp_path, monkeypatch):
    monkeypatch.setenv("WATTLINE_SHARED", str(tmp_path))

    assert choose(None, 7, **LIMITS) == choose(None, 7, **LIMITS)
    assert choose(None, 7, **LIMITS) != choose(None, 8, **LIMITS)
    assert choose(None, 7, **LIMITS).source.startswith("generated")


@pytest.mark.parametrize("name", ["agentcgroup_llm_calls.csv.gz", "claude_code_weka_requests.csv.gz"])
def test_recorded_runs_are_distinct_agents_that_fit(shared_data, name):
    load = choose(Path(shared_data / "agentic" / name), 7, **LIMITS)

    assert len(load.arrivals) == 40
    assert len({arrival.run.session for arrival in load.arrivals}) == 40
    assert all(arrival.run.longest_tokens <= 76_000 for arrival in load.arrivals)
    assert all(len(arrival.run.turns) >= 3 for arrival in load.arrivals)
    assert min(arrival.at_seconds for arrival in load.arrivals) >= 0
    assert max(arrival.at_seconds for arrival in load.arrivals) <= 100
    assert load.source == "recorded agent runs"


def test_a_trace_without_a_short_run_is_refused_with_the_limits(shared_data):
    with pytest.raises(TraceError, match="no run of at most 600 s and 10 tokens"):
        choose(shared_data / "agentic", 7, arrive_within_seconds=100.0, longest_tokens=10)
