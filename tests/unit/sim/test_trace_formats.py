"""Every public format, from its content: sizes, gaps, what is shared, when it began, and what was left out."""

import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.sim import trace_files as files

from wattline.model.context import shared_tokens, tokens
from wattline.sim import traces
from wattline.sim.recording import TraceError


def loaded(tmp_path, name, **more):
    return traces.load(files.write(tmp_path, name), hours=0.3, **more)


def sizes(run):
    return [(tokens(turn.context), turn.output.tokens, turn.gap_seconds) for turn in run.turns]


def attempted(path):
    """Return the recording, or none and what is said of it; any other error is one of ours."""
    try:
        return traces.load(path, hours=0.3), ""
    except TraceError as error:
        return None, str(error)


def notes(recording):
    return {note.what: note.count for note in recording.notes}


@pytest.mark.parametrize(
    ("name", "said", "sessions", "runs", "turns"),
    [
        ("agentcgroup_llm_calls.csv", "agentcgroup calls", 2, 2, 3),
        ("claude_code_weka_requests.csv", "Claude Code requests", 1, 2, 3),
        ("trace_0001.json", "Claude Code sessions", 1, 2, 5),
        ("sessions.jsonl", "Claude Code sessions", 1, 2, 5),
        ("pretty.json", "Claude Code sessions", 1, 2, 5),
        ("trace.jsonl", "Claude Code transcript", 1, 1, 2),
        ("azure2023.csv", "Azure inference", 3, 3, 3),
        ("azure2024.csv", "Azure inference", 2, 2, 2),
        ("lmm.csv", "Azure inference", 2, 2, 2),
        ("conversation_trace.jsonl", "Mooncake calls", 2, 3, 3),
        ("turns.jsonl", "gateway record", 2, 2, 3),
    ],
)
@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip'd"])
def test_a_format_is_known_by_its_content(tmp_path, name, said, sessions, runs, turns, zipped):
    path = files.write(tmp_path, name)
    if zipped:
        path = path.with_name(f"{name}.gz")
        path.write_bytes(gzip.compress(files.FILES[name].encode()))
    recording = traces.load(path)

    assert recording.source == f"{said}: {path}"
    assert len(recording.sessions) == sessions
    assert len(recording.runs) == runs
    assert sum(len(run.turns) for run in recording.runs) == turns


def test_a_claude_session_has_its_sub_agent_where_it_was_called_and_its_blocks_exact(tmp_path):
    [session] = loaded(tmp_path, "trace_0001.json").sessions
    first = session.runs[0]
    parent, child, grandchild, after = first.turns

    assert [size for size, _, _ in sizes(first)] == [300, 200, 260, 400]
    assert [len(run.turns) for run in session.runs] == [4, 1]  # a person's text begins the second
    assert shared_tokens(parent.context, child.context) == 128
    assert shared_tokens(child.context, grandchild.context) == 192
    assert shared_tokens(parent.context, after.context) == 256
    assert first.harness == "claude-code/128"


def test_without_think_times_the_gap_is_what_is_left_after_serving(tmp_path):
    first = loaded(tmp_path, "trace_0001.json").sessions[0].runs[0]

    assert [turn.gap_seconds for turn in first.turns] == [0.0, 2.5, 11.0, 0.0]  # 50 tokens take a second
    assert loaded(tmp_path, "trace_0001.json").sessions[0].think_seconds == (0.0, 87.0)


def test_a_folder_of_claude_sessions_is_one_trace(tmp_path):
    for number in (1, 2):
        session = files.CLAUDE_SESSION | {"id": f"trace_{number:04d}"}
        (tmp_path / f"trace_{number:04d}.json").write_text(json.dumps(session))
    one, other = traces.load(tmp_path).sessions

    assert shared_tokens(one.runs[0].turns[0].context, other.runs[0].turns[0].context) == 128
    alone = traces.load(tmp_path, shared_prefix=False).sessions
    assert shared_tokens(alone[0].runs[0].turns[0].context, alone[1].runs[0].turns[0].context) == 0


def test_blocks_of_a_global_scope_are_shared_between_sessions(tmp_path):
    for number in (1, 2):
        session = files.CLAUDE_SESSION | {"id": f"trace_{number:04d}", "hash_id_scope": "global"}
        (tmp_path / f"trace_{number:04d}.json").write_text(json.dumps(session))
    one, other = traces.load(tmp_path).sessions

    assert shared_tokens(one.runs[0].turns[0].context, other.runs[0].turns[0].context) == 300


def test_a_transcript_tells_calls_by_message_and_gaps_by_the_last_result(tmp_path):
    [run] = loaded(tmp_path, "trace.jsonl").runs

    assert sizes(run) == [(1000, 60, 2.5), (1300, 30, 0.0)]
    assert [turn.tool for turn in run.turns] == ["Bash+Read", ""]


def test_transcripts_of_agentcgroup_lie_below_its_experiments(tmp_path):
    for experiment, session in (("all_images_local", "a"), ("all_images_haiku", "b")):
        folder = tmp_path / "experiments" / experiment / "task" / "attempt_1"
        folder.mkdir(parents=True)
        lines = [line | {"sessionId": session} for line in files.TRANSCRIPT]
        (folder / "trace.jsonl").write_text(files.jsonl(lines))
    recording = traces.load(tmp_path)

    assert [run.id for run in recording.runs] == ["a"]
    assert notes(recording) == {"runs whose output counts are a streaming placeholder, left out": 1}


def test_azure_calls_stand_at_their_moments_with_their_images(tmp_path):
    recording = loaded(tmp_path, "azure2023.csv")
    lmm = loaded(tmp_path, "lmm.csv")

    assert [sizes(run) for run in recording.runs] == [[(374, 44, 0.0)], [(396, 109, 0.0)], [(879, 55, 0.0)]]
    assert list(recording.starts) == pytest.approx([0.0, 4.314579, 4.541877])
    assert [run.turns[0].images for run in lmm.runs] == [1, 0]
    assert [run.harness for run in (*recording.runs[:1], *lmm.runs[:1])] == ["azure/llm", "azure/lmm"]


def test_columns_between_semicolons_are_read_too(tmp_path):
    (tmp_path / "lmm.csv").write_text(files.AZURE_LMM.replace(",", ";"))

    assert traces.load(tmp_path / "lmm.csv").sessions == loaded(tmp_path, "lmm.csv").sessions


def test_azure_rows_without_tokens_are_left_out_and_counted_and_unordered_ones_ordered(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(files.AZURE_2023 + "2023-11-16 18:15:52,0,5\n2023-11-16 18:15:40,7,5\n")
    recording = traces.load(path)

    assert [tokens(run.turns[0].context) for run in recording.runs] == [7, 374, 396, 879]
    assert notes(recording) == {
        "calls without prompt or output tokens, left out": 1,
        "calls earlier than the one before them, put in order": 1,
    }
    assert recording.notes[0].first == f"{path}:5"


def test_mooncake_calls_that_go_on_from_one_are_its_conversation(tmp_path):
    recording = loaded(tmp_path, "conversation_trace.jsonl")
    one, other = recording.sessions
    first, later = one.runs

    assert one.think_seconds == (0.0, pytest.approx(60 - 100 / 50))
    assert shared_tokens(first.turns[0].context, later.turns[0].context) == 1024
    assert shared_tokens(first.turns[0].context, other.runs[0].turns[0].context) == 512
    assert list(recording.starts) == [0.0, 3.0]
    apart = loaded(tmp_path, "conversation_trace.jsonl", shared_prefix=False)
    one, other = apart.sessions
    assert shared_tokens(one.runs[0].turns[0].context, other.runs[0].turns[0].context) == 0
    assert shared_tokens(one.runs[0].turns[0].context, one.runs[1].turns[0].context) == 1024


def test_servegen_calls_are_drawn_at_the_clients_rates_with_their_lengths(tmp_path):
    path = files.write(tmp_path, "servegen_w_dataset.jsonl")
    recording = traces.load(path, seed=1, hours=1200 / 3600)
    calls = [(tokens(run.turns[0].context), run.turns[0].output.tokens) for run in recording.runs]

    assert set(calls) == {(100, 10), (200, 10), (530, 20)}
    assert len(calls) == pytest.approx(0.5 * 600 + 0.25 * 600 + 0.1 * 600, rel=0.2)
    assert list(recording.starts) == sorted(recording.starts)
    assert recording.starts[-1] < 1200
    assert {run.turns[0].images for run in recording.runs} == {0, 1}


def test_servegen_draws_follow_the_seed_and_the_rate(tmp_path):
    path = files.write(tmp_path, "servegen_w_dataset.jsonl")
    one, same, other = (traces.load(path, seed=seed, hours=1.0) for seed in (1, 1, 2))

    assert one == same
    assert list(one.starts) != list(other.starts)
    scaled = traces.load(path, seed=1, hours=1.0, rate_per_second=2.0)
    assert len(scaled.sessions) == pytest.approx(7200, rel=0.1)


def test_servegen_is_read_as_it_is_published(tmp_path):
    for client, entry in enumerate(files.DATASET):
        (tmp_path / f"chunk-{client}-dataset.json").write_text(json.dumps(entry["windows"]))
        (tmp_path / f"chunk-{client}-trace.csv").write_text(
            "0,0.5,1.2,Gamma,0.7,3\n600,0,,,,\n1200,1,1,,0,0\n"
        )
    recording = traces.load(tmp_path, hours=1200 / 3600)

    assert len(recording.sessions) == pytest.approx(600, rel=0.25)
    assert max(recording.starts) < 600


def test_a_gateways_conversation_goes_on_from_prompt_and_output(tmp_path):
    recording = loaded(tmp_path, "turns.jsonl")
    one, other = recording.runs
    first, second = one.turns

    assert [size[:2] for size in sizes(one)] == [(1000, 100), (1400, 80)]
    assert first.gap_seconds == 3.0
    assert shared_tokens((*first.context, first.output), second.context) == 1100
    assert shared_tokens(first.context, other.turns[0].context) == 768
    assert list(recording.starts) == [0.0, 30.0]
    assert (one.session, one.harness) == ("s1", "x-session-id")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param("a.csv", files.AGENTCGROUP + "all_images_local/b,0,0,0,5,5,3,4,1,\n",
                     r"a\.csv:6: call 0 of run all_images_local/b stands here again, after line 4", id="a call twice"),
        pytest.param("a.csv", files.AGENTCGROUP + "all_images_local/b,1,0,0.0,5\n",
                     r"a\.csv:6: 10 cells stand in the header and 5 here: the file is cut off", id="a row cut off"),
        pytest.param("a.csv", files.AGENTCGROUP + files.AGENTCGROUP,
                     r"a\.csv:6: the header again: two files in one", id="two files in one"),
        pytest.param("a.csv", files.AZURE_2023 + files.AZURE_LMM, r"a\.csv:5: 3 cells stand in the header and 4 here",
                     id="rows of two traces"),
        pytest.param("a.csv", files.AGENTCGROUP.replace("1700", "-1700"),
                     r"a\.csv:3: column input_tokens: expected 0 or more, not -1700", id="less than nothing"),
        pytest.param("a.csv", files.AGENTCGROUP.replace("7.5", "nan"),
                     r"a\.csv:3: column prev_event_s: expected a number, not 'nan'", id="not a number"),
        pytest.param("a.csv", files.CLAUDE_TABLE.replace("t1,,2", "t1,,1"),
                     r"a\.csv:4: request 1 of t1 \(main\) comes after request 1", id="a request twice"),
        pytest.param("a.csv", files.CLAUDE_TABLE.replace(",1,90,", ",1,-90,"),
                     r"a\.csv:4: column think_time: expected 0 or more", id="time that runs backwards"),
        pytest.param("a.csv", files.AZURE_2023.replace("2023-11-16 18:15:50", "yesterday 18:15:50"),
                     r"a\.csv:3: expected a TIMESTAMP like", id="no date"),
        pytest.param("a.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "2023-11-16 18:15:46,0,0\n" * 20 + "2023-11-16 18:15:46,1,1\n",
                     "20 of 21 calls have no tokens; are columns mixed up", id="empty columns"),
        pytest.param("a.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,5,0\n",
                     "1 of 1 calls have no tokens", id="calls of zero length alone"),
        pytest.param("a.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n", "no calls in it; fetch it again", id="no rows"),
        pytest.param("a.json", json.dumps(files.CLAUDE_SESSION)[:-200], r"a\.json:1: not JSON", id="a session cut off"),
        pytest.param("a.jsonl", files.jsonl([files.CLAUDE_SESSION] * 2), r"a\.jsonl:2: session trace_0001 is in .*:1 already",
                     id="a session twice"),
        pytest.param("a.json", json.dumps(files.CLAUDE_SESSION | {"block_size": 0}), "block_size: expected at least 1",
                     id="blocks of nothing"),
        pytest.param("a.json", json.dumps(files.CLAUDE_SESSION | {"requests": []}), "no session with a request in it",
                     id="a session without requests"),
        pytest.param("a.json", json.dumps(files.CLAUDE_SESSION | {"requests": [{"t": 0, "in": 5, "out": 1, "hash_ids": "x"}]}),
                     r"a\.json: request 0: hash_ids: expected a list of block numbers", id="hashes of another kind"),
        pytest.param("a.jsonl", files.jsonl([{"timestamp": 0, "input_length": 5, "output_length": 1, "hash_ids": [1, 2]}]),
                     r"a\.jsonl:1: 2 blocks of 512 tokens for a prompt of 5; are fields mixed up", id="fields mixed up"),
        pytest.param("a.jsonl", files.jsonl([files.MOONCAKE[0], files.MOONCAKE[1] | {"timestamp": -5}]),
                     r"a\.jsonl:2: timestamp: expected a number of 0 or more, not -5", id="before the beginning"),
        pytest.param("a.jsonl", files.jsonl([files.GATEWAY[0], files.GATEWAY[1] | {"promptTokens": "many"}]),
                     r"a\.jsonl:2: promptTokens: .*is this a gateway's record", id="a record of something else"),
        pytest.param("a.jsonl", files.jsonl([files.GATEWAY[0] | {"outcome": "refused"}]), "no turn that was served",
                     id="nothing was served"),
        pytest.param("a.jsonl", files.jsonl([said | {"timestamp": "soon"} for said in files.TRANSCRIPT]),
                     r"a\.jsonl:2: timestamp: expected a date and time, not 'soon'", id="a transcript without times"),
        pytest.param("a.jsonl", files.jsonl(files.DATASET), "needs servegen_client_rate_windows.csv",
                     id="lengths without rates"),
        pytest.param("a.csv", "", "not a known trace: it is empty; fetch it again", id="an empty file"),
        pytest.param("a.jsonl", "[1, 2]\n", "not a known trace", id="JSON of something else"),
        pytest.param("a.csv", '"', "not a known trace", id="an open quote"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_place_and_cause(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)

    with pytest.raises(TraceError, match=said):
        traces.load(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "was", "becomes", "counted"),
    [
        ("agentcgroup_llm_calls.csv", ",200,Grep", ",0,Grep", "calls without output, taken as 1 token"),
        ("agentcgroup_llm_calls.csv", ",1000,0,0,", ",0,0,0,", "calls with an empty prompt, taken as 1 token"),
        ("agentcgroup_llm_calls.csv", "7.5", "4.5",
         "calls that began before the one before them had ended, taken to follow it at once"),
        ("conversation_trace.jsonl", '"output_length": 50', '"output_length": 0', "calls without output, taken as 1 token"),
        ("conversation_trace.jsonl", '"timestamp": 0', '"timestamp": 5000',
         "calls earlier than the one before them, put in order"),
        ("trace_0001.json", '"out": 50', '"out": 0', "calls without output, taken as 1 token"),
        ("turns.jsonl", '"turn": 2', '"turn": 1', "turns that stand twice, taken once"),
        ("turns.jsonl", '"outcome": "answered"', '"outcome": "broken", "counted": false',
         "turns whose tokens the engine did not count, taken as estimated"),
        ("servegen_w_dataset.jsonl", "{10: 1.0}", "{}", "windows without lengths, taken to be like the one before"),
    ],
)  # fmt: skip
def test_what_is_odd_but_playable_is_counted(tmp_path, name, was, becomes, counted):
    path = files.write(tmp_path, name)
    path.write_text(files.FILES[name].replace(was, becomes, 1))
    recording = traces.load(path)

    assert notes(recording)[counted] == 1
    assert all(
        tokens(turn.context) >= 1 and turn.output.tokens >= 1 and turn.gap_seconds >= 0
        for run in recording.runs
        for turn in run.turns
    )


def test_tables_beside_the_one_that_is_played_are_told(tmp_path):
    for name in ("agentcgroup_llm_calls.csv", "claude_code_weka_requests.csv"):
        files.write(tmp_path, name)

    assert notes(traces.load(tmp_path))["other traces in the folder, not played"] == 1
    assert "other traces in the folder, not played" not in notes(
        traces.load(tmp_path / "agentcgroup_llm_calls.csv")
    )


def test_a_folder_of_several_traces_asks_for_one(tmp_path):
    files.write(tmp_path, "azure2023.csv")
    files.write(tmp_path, "conversation_trace.jsonl")

    with pytest.raises(
        TraceError, match=r"several traces; name one: azure2023\.csv, conversation_trace\.jsonl"
    ):
        traces.load(tmp_path)


@pytest.mark.parametrize("name", files.FILES)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_cut_off_anywhere_is_read_or_refused_and_nothing_else(tmp_path, name, data):
    path = files.write(tmp_path, name)
    whole = path.read_bytes()
    if data.draw(st.booleans(), label="gzip'd"):
        whole = gzip.compress(whole)
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1), label="kept")])

    recording, problem = attempted(path)
    assert str(path) in problem if recording is None else recording.runs


@pytest.mark.parametrize("name", files.FILES)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_with_a_byte_changed_is_read_or_refused_and_nothing_else(tmp_path, name, data):
    path = files.write(tmp_path, name)
    whole = bytearray(path.read_bytes())
    whole[data.draw(st.integers(0, len(whole) - 1), label="at")] = data.draw(
        st.sampled_from(b'0-9{}[],":\n\0\xffeE.'), label="byte"
    )
    path.write_bytes(bytes(whole))

    recording, problem = attempted(path)
    if recording is None:
        assert str(tmp_path) in problem
    else:
        assert all(run.turns and run.longest_tokens >= 2 for run in recording.runs)
