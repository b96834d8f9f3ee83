"""Compositions: one trace's runs at another's moments, shares of the load, and draws that do not move each other."""

import tracemalloc
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.sim import trace_files as files

from wattline.model.context import shared_tokens, tokens
from wattline.sim import arrivals, mix
from wattline.sim.generate import generate
from wattline.sim.mix import Source
from wattline.sim.recording import Calls, Part, Recording, Session, TraceError, again
from wattline.sim.schedule import Schedule

CODING = Source(name="coding", rate_per_second=0.05)
OTHER = Source(name="other", rate_per_second=0.2, tenant="chat", harness="support")


def work(*sources, hours=0.5, seed=1, rate=None, **more):
    return mix.work(sources, rate_per_second=rate, hours=hours, seed=seed, **more)


def told(made, tenant):
    return [(each.at_seconds, each.run.id) for each in made.arrivals if each.run.tenant == tenant]


def test_a_trace_more_moves_no_draw_of_another():
    alone, both = work(CODING), work(CODING, OTHER)

    assert told(both, "coding") == told(alone, "coding")
    assert len(told(both, "chat")) == pytest.approx(0.2 * 1800, rel=0.15)


def test_arrivals_of_a_mix_are_in_order_and_every_iteration_makes_the_same():
    made = work(CODING, OTHER, hours=0.2)
    once = list(made.arrivals)

    assert [each.at_seconds for each in once] == sorted(each.at_seconds for each in once)
    assert list(made.arrivals) == once
    assert len(made.arrivals) == len(once)


def test_weights_divide_the_rate():
    made = work(Source(name="a", weight=3), Source(name="b"), rate=0.4)
    count = Counter(each.run.tenant for each in made.arrivals)

    assert count["a"] == pytest.approx(0.3 * 1800, rel=0.15)
    assert count["b"] == pytest.approx(0.1 * 1800, rel=0.2)


def test_runs_of_a_part_carry_its_labels_and_its_name():
    made = work(CODING, OTHER)
    runs = {each.run.tenant: each.run for each in made.arrivals}

    assert set(runs) == {"coding", "chat"}
    assert (runs["chat"].harness, runs["coding"].harness) == ("support", "generated")
    assert runs["chat"].id.startswith("other/generated-")
    assert runs["chat"].session.startswith("other/generated-")


def test_the_same_trace_twice_shares_its_opening_and_nothing_else(tmp_path):
    path = files.write(tmp_path, "agentcgroup_llm_calls.csv")
    made = work(Source(path, "a", rate_per_second=0.02), Source(path, "b", rate_per_second=0.02))
    by_name = {each.run.id.partition("#")[0]: each.run for each in made.arrivals}
    one, other = (by_name[f"{name}/all_images_local/a"] for name in ("a", "b"))

    assert shared_tokens(one.turns[1].context, other.turns[1].context) == 1000


def test_a_trace_that_stands_alone_draws_as_it_always_did():
    rng = Random(7)
    moments = arrivals.poisson(0.1, 0.5, rng)

    assert list(work(Source(), seed=7, rate=0.1).arrivals) == arrivals.schedule(generate(68, 7), moments, rng)


def test_works_of_one_seed_can_be_set_apart():
    one, other = (work(Source(), rate=0.1, stream=stream) for stream in ("", "pool-b"))

    assert [each.at_seconds for each in one.arrivals] != [each.at_seconds for each in other.arrivals]


def test_a_trace_with_moments_of_its_own_plays_at_them(tmp_path):
    made = work(Source(files.write(tmp_path, "azure2023.csv")))

    assert [each.at_seconds for each in made.arrivals] == pytest.approx([0.0, 4.314579, 4.541877])


def test_a_rate_repeats_own_moments_and_a_load_makes_them_faster(tmp_path):
    path = files.write(tmp_path, "azure2023.csv")

    assert len(work(Source(path), rate=1.0).arrivals) == pytest.approx(1800, rel=0.01)
    assert len(work(Source(path), rate=1.0, load=0.5).arrivals) == pytest.approx(900, rel=0.01)
    twice = [each.at_seconds for each in work(Source(path), load=2.0).arrivals]
    assert twice == pytest.approx([0.0, 4.314579 / 2, 4.541877 / 2])


def test_drawn_calls_come_faster_under_load_too(tmp_path):
    path = files.write(tmp_path, "servegen_w_dataset.jsonl")
    once, twice = (work(Source(path), hours=600 / 3600, load=load).arrivals for load in (1.0, 2.0))

    assert len(once) == pytest.approx(360, rel=0.25)
    assert len(twice) == pytest.approx(360 + 150, rel=0.25)  # both windows, in half of their time
    assert max(each.at_seconds for each in twice) > 500


def test_the_rate_of_conversations_is_one_of_runs(tmp_path):
    path = files.write(tmp_path, "conversation_trace.jsonl")

    assert len(work(Source(path), rate=0.5).arrivals) == pytest.approx(900, rel=0.02)


@pytest.mark.parametrize(
    ("moments", "rate", "count"),
    [
        pytest.param("poisson", 0.4, 720, id="at random"),
        pytest.param("conversation_trace.jsonl", None, 3, id="as in another, as recorded"),
        pytest.param("conversation_trace.jsonl", 0.4, 720, id="as in another, scaled"),
        pytest.param("turns.jsonl", None, 2, id="as a gateway's sessions began"),
    ],
)
def test_runs_of_one_come_at_the_moments_of_another(tmp_path, moments, rate, count):
    if moments != "poisson":
        moments = str(files.write(tmp_path, moments))
    made = work(Source(files.write(tmp_path, "agentcgroup_llm_calls.csv"), arrivals=moments), rate=rate)

    assert len(made.arrivals) == pytest.approx(count, rel=0.15)
    assert {each.run.harness for each in made.arrivals} == {"agentcgroup/claude-code"}


def test_what_readers_took_and_noticed_is_told(tmp_path):
    path = files.write(tmp_path, "agentcgroup_llm_calls.csv")
    made = work(Source(path, arrivals=str(files.write(tmp_path, "turns.jsonl"))), longest_tokens=1600)

    assert made.told == (f"agentcgroup calls: {path}",)
    assert [note.what.partition(",")[0] for note in made.notes] == [
        "runs whose output counts are a streaming placeholder",
        "runs that need more than the 1",
    ]
    assert str(made.notes[1]) == (
        "1 × runs that need more than the 1,600 tokens that a replica can hold of one run, not started; the longest "
        f"needs 1,750 (first: agentcgroup calls: {path}: run all_images_local/a)"
    )


@pytest.mark.parametrize(
    ("sources", "more", "said"),
    [
        pytest.param((), {}, "no trace to play", id="nothing"),
        pytest.param((CODING, Source()), {}, "need names", id="one without a name"),
        pytest.param((CODING, CODING), {}, "two traces are named coding", id="one name twice"),
        pytest.param((Source(weight=0),), {}, "above 0", id="no weight"),
        pytest.param((Source(rate_per_second=-1),), {}, "above 0", id="no rate"),
        pytest.param((Source(),), {"load": 0.0}, "load 0: expected a factor above 0", id="no load"),
        pytest.param((Source(arrivals="own"),), {}, "does not say when its sessions began", id="no moments"),
        pytest.param((Source(),), {"longest_tokens": 10}, "no run can be played: 68 × runs", id="none fits anywhere"),
    ],
)  # fmt: skip
def test_a_mix_that_cannot_be_played_is_refused(sources, more, said):
    with pytest.raises(TraceError, match=said):
        work(*sources, **more)


@given(
    gaps=st.lists(st.lists(st.floats(0, 50), min_size=1, max_size=4), min_size=1, max_size=4),
    moments=st.lists(st.floats(0, 100), max_size=12),
)
def test_a_schedule_makes_in_passing_what_sorting_everything_gives(gaps, moments):
    run = generate(1, 1).runs[0]
    sessions = [Session((run,) * len(thinks), tuple(thinks)) for thinks in gaps]
    dealt = [(at, index % len(sessions), index) for index, at in enumerate(sorted(moments))]
    made = Schedule(sessions, lambda: iter(dealt), 1000.0)
    gap = sum(turn.gap_seconds for turn in run.turns)
    want = []
    for at, index, play in dealt:
        start = at
        for think in sessions[index].think_seconds:
            start += think
            want.append((start, f"{run.id}#{play}"))
            start += gap
    want = sorted((each for each in want if each[0] <= 1000.0), key=lambda each: each[0])

    assert [(each.at_seconds, each.run.id) for each in made] == want
    assert len(made) == len(want)


def test_calls_are_repeated_as_sessions_are():
    calls = Calls("many", "test")
    calls.add(1000, 10, 2)
    for part in (None, Part("chat", "team", "h"), Part("chat")):
        [one], [other] = calls.again(0, 3, part).runs, again(calls[0], 3, part).runs

        assert (one.id, one.session, one.harness, one.tenant) == (
            other.id,
            other.session,
            other.harness,
            other.tenant,
        )
        assert [size(turn) for turn in one.turns] == [size(turn) for turn in other.turns]


def size(turn):
    return tokens(turn.context), turn.output.tokens, turn.gap_seconds, turn.images


def test_memory_is_that_of_the_runs_under_way():
    calls = Calls("many", "test")
    for _ in range(10_000):
        calls.add(1000, 10)
    made = arrivals.own(Recording(calls, range(10_000)), None, 24.0)
    tracemalloc.start()
    try:
        assert sum(1 for _ in made) == 10_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 2_000_000  # moments and what is in hand; all runs at once take 12 MB
