"""The engine: batching, memory, tokens and what its GPUs feel of it."""

from dataclasses import replace
from math import inf
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.model.context import Extent
from wattline.model.gpu import EventReason
from wattline.world.engine import (
    ENGINES,
    Engine,
    EngineEvent,
    EnginePhysics,
    Finished,
    FirstToken,
    Refused,
    Request,
)
from wattline.world.gpu import Gpu
from wattline.world.loading import loading_seconds

CODER = ENGINES["Qwen/Qwen3-Coder-30B-A3B-Instruct", "h100-nvl", 1]
PAIR = ENGINES["Qwen/Qwen3-Coder-30B-A3B-Instruct", "h100", 2]
SMALL = replace(CODER, capacity_tokens=4000)


def engine(physics: EnginePhysics = CODER, **options) -> Engine:
    return Engine(physics, [Gpu(physics.product, f"GPU-{n}") for n in range(physics.gpus)], **options)


def ask(name: str, prompt: int = 1000, output: int = 50, *, after: tuple[Extent, ...] = ()) -> Request:
    start = after[-1].end if after and after[-1].stream == name else 0
    context = (*after, Extent(name, start, start + prompt))
    return Request(name, context, (Extent(name, start + prompt, start + prompt + output),), output)


def run(served: Engine, until_seconds: float = inf) -> list[EngineEvent]:
    events: list[EngineEvent] = []
    while (due := served.next_event_seconds()) <= until_seconds and due < inf:
        events += served.advance(due)
    return events


def kinds(events: list[EngineEvent]) -> list[tuple[str, str]]:
    return [(type(event).__name__, event.id) for event in events]


def test_a_request_gets_its_first_token_and_then_all_of_them():
    served = engine()
    served.submit(ask("a"))
    first, last = run(served)
    assert isinstance(first, FirstToken)
    assert (first.cached_tokens, first.prompt_tokens) == (0, 1000)
    assert isinstance(last, Finished)
    assert last.at_seconds > first.at_seconds > 0
    assert served.generation_tokens == 50
    assert (served.running, served.waiting, served.kv_used_tokens) == (0, 0, 0)
    assert served.kv_cached_tokens == 1040  # whole blocks of the 1049 tokens that were computed
    assert served.next_event_seconds() == inf


def test_a_next_turn_computes_only_what_is_new():
    served = engine()
    served.submit(ask("a", 1000, 56))
    run(served)
    served.submit(Request("a2", (Extent("a", 0, 1100),), (Extent("a", 1100, 1110),), 10))
    first = run(served)[0]
    assert isinstance(first, FirstToken)
    assert first.cached_tokens == 1040
    assert (served.prompt_tokens, served.cached_tokens) == (2100, 1040)


def test_a_prompt_that_is_all_in_memory_still_computes_its_last_block():
    served = engine()
    served.submit(ask("a", 1600, 2))
    run(served)
    served.submit(Request("again", (Extent("a", 0, 1600),), (Extent("b", 0, 2),), 2))
    first = run(served)[0]
    assert isinstance(first, FirstToken)
    assert first.cached_tokens == 1584


def test_tokens_come_one_by_one_while_time_passes():
    served = engine()
    served.submit(ask("a", 1000, 400))
    seen = []
    while served.running or served.waiting:
        served.advance(served.now_seconds + 0.05)
        seen.append(served.generated("a"))
    assert seen[:-1] == sorted(seen[:-1])
    assert max(seen) >= 380
    assert len(set(seen)) > 30


def test_a_request_longer_than_memory_is_refused_and_said_so():
    served = engine(SMALL)
    served.submit(ask("a", 3990, 20))
    assert served.next_event_seconds() == 0.0
    (refused,) = served.advance(1.0)
    assert isinstance(refused, Refused)
    assert "4010 tokens needed, at most 4000 fit" in refused.why


def test_more_sequences_share_a_step_so_each_is_slower_and_all_are_faster():
    seconds = []
    for count in (1, 16):
        served = engine()
        for number in range(count):
            served.submit(ask(f"r{number}", 500, 300))
        run(served)
        seconds.append(served.now_seconds)
    assert seconds[0] < seconds[1] < 16 * seconds[0] / 2


def test_no_more_sequences_run_than_allowed():
    served = engine(max_num_seqs=2)
    for number in range(5):
        served.submit(ask(f"r{number}", 100, 200))
    served.advance(0.5)
    assert (served.running, served.waiting) == (2, 3)
    assert [event for event in kinds(run(served)) if event[0] == "Finished"] == [
        ("Finished", f"r{number}") for number in range(5)
    ]


def test_a_long_prompt_is_computed_in_chunks_while_others_go_on_speaking():
    served = engine()
    served.submit(ask("talker", 100, 5000))
    served.advance(1.0)
    before = served.generated("talker")
    served.submit(ask("reader", 60_000, 10))
    events: list[EngineEvent] = []
    while not events:
        events = served.advance(served.next_event_seconds())
    assert kinds(events) == [("FirstToken", "reader")]
    chunks = 8
    assert served.generated("talker") - before == pytest.approx(chunks, abs=1)
    assert 2.0 < events[0].at_seconds - 1.0 < 20.0


def test_a_lower_clock_slows_prompts_and_hardly_slows_answers():
    seconds = {}
    for mhz in (1680, 1050):
        served = engine()
        for gpu in served.gpus:
            gpu.lock_clocks(345, mhz)
        served.advance(2.0)
        served.submit(ask("a", 30_000, 500))
        first, last = run(served)
        seconds[mhz] = (first.at_seconds - 2.0, last.at_seconds - first.at_seconds)
    assert seconds[1050][0] > 1.3 * seconds[1680][0]
    assert seconds[1050][1] < 1.02 * seconds[1680][1]


def test_a_group_waits_for_its_slowest_gpu_which_draws_less_than_those_that_wait():
    def took(mhz: int | None) -> tuple[float, list[float]]:
        served = engine(PAIR)
        if mhz is not None:
            served.gpus[1].lock_clocks(345, mhz)
        served.advance(2.0)
        served.submit(ask("a", 50_000, 2))
        run(served)
        return served.now_seconds - 2.0, [gpu.energy_joules for gpu in served.gpus]

    alone, _ = took(None)
    held, joules = took(900)
    assert held > 1.5 * alone
    assert joules[0] > 1.3 * joules[1]


def test_paused_contexts_give_way_before_anyone_is_preempted():
    served = engine(SMALL)
    served.submit(ask("paused", 1600, 2))
    run(served)
    served.submit(ask("big", 2800, 100))
    run(served)
    assert served.preemptions == 0
    served.submit(Request("back", (Extent("paused", 0, 1600),), (Extent("x", 0, 2),), 2))
    first = run(served)[0]
    assert isinstance(first, FirstToken)
    assert first.cached_tokens < 1584


def test_when_memory_is_full_the_newest_gives_way_and_finishes_later():
    served = engine(SMALL)
    served.submit(ask("old", 1500, 1000))
    events = served.advance(0.5)
    served.submit(ask("new", 1300, 1000))
    events += run(served)
    assert served.preemptions >= 1
    assert kinds(events)[-2:] == [("Finished", "old"), ("Finished", "new")]
    assert [event[0] for event in kinds(events)].count("FirstToken") == 2
    assert served.generation_tokens == 2000


def test_who_finds_no_memory_waits_and_comes_in_when_there_is_some():
    served = engine(SMALL)
    served.submit(ask("a", 2500, 300))
    served.advance(0.5)
    served.submit(ask("b", 2500, 10))
    served.advance(1.0)
    assert (served.running, served.waiting) == (1, 1)
    assert ("Finished", "b") in kinds(run(served))


@pytest.mark.parametrize(
    "after_seconds", [0.0, 0.01, 0.2, 3.0], ids=["waiting", "prefill", "early", "decoding"]
)
def test_an_abort_frees_at_once(after_seconds: float):
    served = engine()
    served.submit(ask("a", 9000, 2000))
    served.advance(after_seconds)
    served.abort("a")
    assert (served.running, served.waiting, served.kv_used_tokens) == (0, 0, 0)
    assert served.next_event_seconds() == inf
    assert served.advance(10.0) == []
    served.abort("a")


def test_an_idle_engine_jumps_and_its_gpus_say_they_are_idle():
    served = engine()
    assert served.advance(86_400.0) == []
    (gpu,) = served.gpus
    assert gpu.reasons == EventReason.IDLE
    assert gpu.energy_joules == pytest.approx(86_400 * 50, rel=0.05)


def test_loading_takes_its_time_and_power_and_requests_wait_for_it():
    served = engine(loading_seconds=loading_seconds(CODER))
    served.submit(ask("a"))
    served.advance(60.0)
    assert not served.ready
    assert served.gpus[0].watts > 110.0
    first = run(served)[0]
    assert first.at_seconds > loading_seconds(CODER)
    assert served.ready


def play(seed: int, capacity: int, *, hertz: float | None = None) -> tuple[list[EngineEvent], Engine]:
    """Run a seeded crowd of turns, some aborted, and check memory all the way."""
    random = Random(seed)
    served = engine(replace(CODER, capacity_tokens=capacity), max_num_seqs=12)
    due = sorted(
        (random.uniform(0, 60), number, random.randrange(8), random.randint(1, 1500), random.randint(1, 300))
        for number in range(60)
    )
    aborts = sorted((at + random.uniform(0, 4), number) for at, number, *_ in due if number % 9 == 0)
    ends, events = dict.fromkeys(range(8), 0), []
    while due or aborts or served.running or served.waiting:
        at = min(due[0][0] if due else inf, aborts[0][0] if aborts else inf)
        step = served.next_event_seconds() if hertz is None else served.now_seconds + 1 / hertz
        events += served.advance(min(at, step))
        while due and due[0][0] <= served.now_seconds:
            _, number, session, prompt, output = due.pop(0)
            end = min(ends[session] + prompt, capacity - 400)
            ends[session] = end + output
            opening = Extent("opening", 0, 320)
            answer = (Extent(session, end, end + output),)
            served.submit(Request(str(number), (opening, Extent(session, 0, end)), answer, output))
        while aborts and aborts[0][0] <= served.now_seconds:
            served.abort(str(aborts.pop(0)[1]))
        assert 0 <= served.kv_used_tokens <= served.kv_cached_tokens <= served.capacity_tokens
        assert served.running <= 12
    events += served.advance(served.now_seconds + 1.0)
    return events, served


@given(st.integers(0, 10**6), st.sampled_from([2500, 6000, 40_000]))
@settings(max_examples=15, deadline=None)
def test_no_token_is_lost_and_memory_never_overflows(seed: int, capacity: int):
    events, served = play(seed, capacity)
    done = {event.id for event in events if isinstance(event, Finished)}
    refused = {event.id for event in events if isinstance(event, Refused)}
    firsts = [event.id for event in events if isinstance(event, FirstToken)]
    assert len(firsts) == len(set(firsts))
    assert done <= set(firsts)
    assert {str(n) for n in range(60) if n % 9} <= done | refused
    assert [event.at_seconds for event in events] == sorted(event.at_seconds for event in events)
    assert served.kv_used_tokens == 0


def test_the_same_requests_give_the_same_answer_to_the_last_bit():
    (one, first), (two, second) = play(7, 6000), play(7, 6000)
    assert one == two
    assert first.gpus[0].energy_joules == second.gpus[0].energy_joules


def test_a_clock_that_ticks_sees_what_a_clock_that_jumps_sees():
    (jumped, one), (ticked, two) = play(11, 40_000), play(11, 40_000, hertz=40)
    finished = {event.id: event.at_seconds for event in jumped if isinstance(event, Finished)}
    for event in ticked:
        if isinstance(event, Finished) and event.id in finished:
            assert event.at_seconds == pytest.approx(finished[event.id], abs=0.3)
    assert one.gpus[0].energy_joules / one.now_seconds == pytest.approx(
        two.gpus[0].energy_joules / two.now_seconds, rel=0.02
    )
