"""Traces in their public formats become runs whose contexts share exactly what was shared."""

import gzip
from hashlib import sha256
from random import Random

import pytest

from wattline.model.context import shared_tokens, tokens
from wattline.sim import arrivals, traces
from wattline.sim.generate import generate
from wattline.sim.recording import Shared, TraceError, again

CALLS = """run_id,call_idx,is_sidechain,prev_event_s,last_block_s,input_tokens,cache_creation_input_tokens,cache_read_input_tokens,output_tokens
all_images_local/a,0,0,0.0,5.0,1000,0,0,200
all_images_local/a,1,0,7.5,9.0,1700,0,0,50
all_images_local/a,2,0,9.1,12.0,1720,0,0,10
all_images_local/b,0,0,0.0,5.0,500,300,400,100
all_images_haiku/c,0,0,0.0,5.0,900,0,0,1
"""
REQUESTS = """trace_id,scope,req_idx,t,type,model,in,out,n_blocks,lcp_blocks_prev,input_types,output_types,stop,api_time,think_time,ttft
t1,,0,0.0,s,m,640,10,10,0,text,tool_use,tool_use,1,0,
t1,,1,5.0,s,m,960,20,15,10,tool_result,tool_use,tool_use,1,4,
t1,,2,9.0,s,m,1280,20,20,15,text,text,end_turn,1,90,
t1,agent_001,0,0.0,s,m,320,5,5,0,text,text,end_turn,1,0,
"""


@pytest.fixture
def calls(tmp_path):
    path = tmp_path / "agentcgroup_llm_calls.csv.gz"
    path.write_bytes(gzip.compress(CALLS.encode()))
    return path


@pytest.fixture
def requests(tmp_path):
    path = tmp_path / "claude_code_weka_requests.csv"
    path.write_text(REQUESTS)
    return path


def test_only_runs_with_true_output_counts_are_played(calls):
    assert [run.id for run in traces.load(calls).runs] == ["all_images_local/a", "all_images_local/b"]


def test_a_folder_stands_for_the_trace_in_it(calls):
    assert traces.load(calls.parent) == traces.load(calls)


def test_a_prompt_that_grew_by_its_output_holds_it_and_one_that_did_not_drops_it(calls):
    first, second, third = traces.load(calls).runs[0].turns

    assert [tokens(turn.context) for turn in (first, second, third)] == [1000, 1700, 1720]
    assert shared_tokens((*first.context, first.output), second.context) == 1200
    assert shared_tokens((*second.context, second.output), third.context) == 1700
    assert [turn.gap_seconds for turn in (first, second, third)] == [2.5, pytest.approx(0.1), 0.0]


@pytest.mark.parametrize(
    ("shared", "want"),
    [
        pytest.param(True, 1000, id="one opening for all runs of a harness"),
        pytest.param(False, 0, id="nothing shared"),
    ],
)
def test_the_opening_prompt_is_one_prefix_if_asked_for(calls, shared, want):
    one, other = traces.load(calls, shared_prefix=shared).runs

    assert shared_tokens(one.turns[0].context, other.turns[0].context) == want


def test_text_of_a_human_starts_a_new_run_of_the_same_session(requests):
    [session] = traces.load(requests).sessions

    assert [len(run.turns) for run in session.runs] == [2, 1, 1]
    assert session.think_seconds == (0.0, 90.0, 0.0)
    assert {run.session for run in session.runs} == {"t1"}
    assert shared_tokens(session.runs[0].turns[1].context, session.runs[1].turns[0].context) == 960


def test_block_hashes_beside_the_requests_make_contexts_exact(requests):
    (requests.parent / "claude_code_weka_hash_ids_rle.csv").write_text(
        "trace_id,scope,req_idx,hash_ids_rle\nt1,,0,1-10\nt1,,1,1-4 20-30\nt1,,2,1-4 20-35\nt1,agent_001,0,1-5\n"
    )
    first, second, third, sub = [turn for run in traces.load(requests).runs for turn in run.turns]

    assert shared_tokens(first.context, second.context) == 4 * 64
    assert shared_tokens(second.context, third.context) == 15 * 64
    assert shared_tokens(first.context, sub.context) == 5 * 64


def test_a_sub_agent_stands_where_its_parent_called_it(requests):
    (requests.parent / "claude_code_weka_subagents.csv").write_text(
        "trace_id,parent_scope,agent_id,parent_pos\nt1,,agent_001,0\n"
    )
    [session] = traces.load(requests).sessions

    assert [tokens(turn.context) for turn in session.runs[0].turns] == [640, 320, 960]


def test_a_second_play_is_new_but_for_the_opening(calls):
    session = traces.load(calls).sessions[0]
    one, other = again(session, 1).runs[0], again(session, 2).runs[0]

    assert one.id != other.id
    assert shared_tokens(one.turns[1].context, other.turns[1].context) == 1000
    assert isinstance(one.turns[0].context[0].stream, Shared)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param("x.csv", "a,b\n1,2\n", "not a known trace", id="other columns"),
        pytest.param(
            "x.csv", CALLS.replace("all_images_local", "haiku"), "true output counts", id="no valid run"
        ),
        pytest.param("x.csv", CALLS.replace("1700", "many"), "expected a number", id="not a number"),
        pytest.param("x.csv.gz", "\x1f\x8bbroken", "cannot be read", id="not gzip"),
    ],
)
def test_what_is_wrong_with_a_trace_is_said(tmp_path, name, text, said):
    path = tmp_path / name
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(TraceError, match=said):
        traces.load(path)


def test_a_folder_without_a_trace_says_what_it_looked_for(tmp_path):
    with pytest.raises(TraceError, match=r"agentcgroup_llm_calls\.csv or claude_code_weka_requests\.csv"):
        traces.load(tmp_path)


def test_generated_runs_are_shaped_like_recorded_ones(shared_data):
    real, made = traces.load(shared_data / "agentic").runs, generate(200, 1).runs
    local = [run for run in real if "local" in run.id]

    def mean(values):
        values = list(values)
        return sum(values) / len(values)

    for measure in (
        lambda run: len(run.turns),
        lambda run: sum(turn.output.tokens for turn in run.turns),
        lambda run: tokens(run.turns[-1].context),
        lambda run: sum(turn.gap_seconds for turn in run.turns),
    ):
        assert mean(map(measure, made)) == pytest.approx(mean(map(measure, local)), rel=0.3)


def test_the_recorded_runs_are_the_68_valid_ones(shared_data):
    assert len(traces.load(shared_data / "agentic").runs) == 68
    coder = traces.load(shared_data / "agentic" / "claude_code_weka_requests.csv.gz")
    assert sum(len(run.turns) for run in coder.runs) == 23_977  # every request of the table


PUBLISHED = "c0a668a167762ea58ad0633bde3efa927e4fcdf9033795ffcd1d116b556515d8"
"""Of the arrivals below, as they were when the figures of docs/experiment.md were made."""


def test_the_arrivals_of_the_published_experiment_are_still_the_same(shared_data):
    rng = Random(3)
    moments = arrivals.poisson(0.05, 6.0, rng)
    whole = sha256()
    before = ()
    for arrival in arrivals.schedule(traces.load(shared_data / "agentic"), moments, rng):
        turns = []
        for turn in arrival.run.turns:
            shared = shared_tokens(before, turn.context)
            turns.append((tokens(turn.context), turn.output.tokens, turn.gap_seconds, shared))
            before = (*turn.context, turn.output)
        whole.update(repr((arrival.at_seconds, arrival.run.id, turns)).encode())

    assert whole.hexdigest() == PUBLISHED
