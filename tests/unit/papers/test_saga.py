"""SAGA's study world: memory by hand, Bélády below everybody, and tasks that all end and take what they take."""

from random import Random

import pytest
from bench.papers.saga import reasons
from bench.papers.saga.cluster import PHYSICS, Cluster, alone
from bench.papers.saga.frozen import RULES, replayed
from bench.papers.saga.memory import Memory
from bench.papers.saga.outcome import Access
from bench.papers.saga.rules import LADDER, PROBES, UNLEARNT
from bench.papers.saga.waiting import Turn, Waiting
from bench.papers.saga.worker import Worker, alone_seconds
from bench.papers.saga.workload import TOOLS, Step, Stream, Task, generated, stream, tool_seconds
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.policy.retain import Kept, Mode, RetainSpec

LRU = RetainSpec(mode=Mode.LRU)


def memory(capacity=160, spec=LRU):
    return Memory(capacity, spec, {})


def test_memory_gives_up_the_end_of_the_longest_unused_and_says_what_is_left():
    kv = memory()
    for at, name in enumerate("ab"):
        kv.take(name, 64, 0, at)
        kv.leave(Kept(name, 64, float(at)))
    assert kv.take("c", 48, 0, 2.0) == 0
    assert (kv.cached_tokens("a"), kv.cached_tokens("b"), kv.free_tokens) == (48, 64, 0)
    kv.leave(Kept("c", 48, 3.0))
    assert kv.take("a", 80, 64, 4.0) == 48


def test_what_runs_is_never_given_up():
    kv = memory()
    kv.take("a", 112, 0, 0.0)
    assert kv.take("b", 64, 0, 1.0) is None
    assert kv.running_tokens == 112


def test_a_hit_is_no_more_than_what_the_prompt_still_begins_with():
    kv = memory()
    kv.take("a", 128, 0, 0.0)
    kv.leave(Kept("a", 128, 1.0))
    assert kv.take("a", 48, 33, 2.0) == 32


@st.composite
def sequences(draw):
    """Turns one after the other, of few sessions whose contexts grow."""
    sizes: dict[str, int] = {}
    out = []
    for index in range(draw(st.integers(2, 25))):
        name = draw(st.sampled_from("abcde"))
        known = sizes.get(name, 0)
        sizes[name] = min(320, known + 16 * draw(st.integers(0, 6)) + 16)
        start = 10.0 * index
        tool = draw(st.sampled_from(list(TOOLS)))
        out.append(Access(name, start - 1, start, start + 5, sizes[name], known, tool, draw(st.booleans())))
    last = {access.session: index for index, access in enumerate(out)}
    return [
        Access(a.session, a.arrived_seconds, a.started_seconds, a.ended_seconds, a.tokens, a.known_tokens, a.tool, last[a.session] == i)
        for i, a in enumerate(out)
    ]  # fmt: skip


@settings(max_examples=80)
@given(sequences(), st.integers(20, 60))
def test_no_rule_recomputes_less_than_belady(accesses, blocks):
    tokens = replayed(accesses, 16 * blocks)
    assert all(tokens[name] >= tokens["Bélády"] for name in RULES)


def test_belady_keeps_what_comes_back_first_and_lru_does_not():
    def turn(name, at, known=0):
        return Access(name, at - 1, at, at + 1, 64, known, "file", last=False)

    # Room for two: b comes back before a does.
    accesses = [turn("b", 10), turn("a", 20), turn("c", 30), turn("b", 40, 64), turn("a", 50, 64)]
    tokens = replayed(accesses, 128)
    assert tokens["Bélády"] == 64
    assert tokens["prefix-LRU"] == 128


def test_a_turn_alone_takes_what_alone_says():
    worker = Worker("w", PHYSICS, memory(PHYSICS.capacity_tokens))
    turn = Turn("s", "t", 5000, 0, 100, 0, 0.0)
    assert worker.begin(turn, 0.0)
    now, ended = 0.0, []
    while not ended:
        now = worker.plan()
        worker.advance(now)
        ended = worker.finish()
    assert ended == [turn]
    assert now == pytest.approx(alone_seconds(PHYSICS, turn, 0), rel=1e-3)
    assert (worker.computed_tokens, worker.again_tokens) == (5000, 0)


def played(
    name, at_once=0, moments=(0.0, 5.0, 9.0, 30.0), workers=1, tasks=None, capacity=PHYSICS.capacity_tokens
):
    tasks = tasks or stream(3, 4, None)
    cluster = Cluster(
        LADDER[name], workers, tasks, moments=moments, at_once=at_once, warm_up_seconds=0.0, end_seconds=1200.0, seed=1,
        capacity_tokens=capacity,
    )  # fmt: skip
    return cluster, cluster.run()


@pytest.mark.parametrize("name", LADDER)
def test_every_task_ends_and_none_is_faster_than_alone(name):
    cluster, outcome = played(name, workers=2)
    assert (len(outcome.seconds), outcome.unfinished) == (4, 0)
    # The opening is computed once; a batch of four is barely slower than one alone.
    assert all(0.98 <= ratio < 1.5 for ratio in outcome.ratios)
    assert all(worker.running == 0 and worker.memory.running_tokens == 0 for worker in cluster.workers)


def test_tasks_under_way_end_uncounted_and_nothing_of_theirs_was_known():
    tasks = stream(3, 6, None)
    cluster = Cluster(
        LADDER["full"], 1, tasks, moments=(200.0, 210.0), under_way=4, warm_up_seconds=100.0, end_seconds=1200.0, seed=1
    )  # fmt: skip
    outcome = cluster.run()
    assert (len(outcome.seconds), outcome.unfinished) == (2, 0)
    assert cluster.workers[0].again_tokens == 0
    assert (
        sum(len(task.steps) for task in tasks[4:])
        < len(outcome.accesses)
        < sum(len(task.steps) for task in tasks)
    )


def test_curves_that_do_not_learn_stay_the_tables():
    cluster = Cluster(
        PROBES[UNLEARNT], 1, stream(3, 4, None), moments=(0.0, 5.0), warm_up_seconds=0.0, end_seconds=1200.0, seed=1
    )  # fmt: skip
    before = dict(cluster.curves)
    cluster.run()
    assert cluster.curves == before


def test_a_turn_that_has_no_room_is_not_begun():
    worker = Worker("w", PHYSICS, memory(1600))
    first, second = (Turn(name, "t", 900, 0, 100, 400, 0.0) for name in "ab")
    assert worker.fits(first)
    assert worker.begin(first, 0.0)
    # The opening counts once: 608 tokens of each, in whole blocks.
    assert worker.fits(second)
    assert not worker.fits(Turn("c", "t", 1500, 0, 100, 400, 0.0))


def result(again, mean):
    return {"again": again, "again_time": again / 2, "mean": mean, "held_right": 95.0}


def test_a_ratio_is_told_of_the_seeds_in_which_neither_rung_thrashes():
    base, full = [result(0.9, 1000.0), result(0.02, 110.0)], [result(0.0, 100.0), result(0.0, 100.0)]
    said = reasons.thrashing({"prefix-LRU": base, "full": full}, "mean")
    assert "prefix-LRU thrashes in 1 of 2 seeds" in said
    assert "full in 0; where neither does the ratio is 1.10" in said


def test_half_a_p95_hold_outlasts_most_calls_and_the_papers_share_needs_less_than_the_mean():
    said = reasons.held(None)
    assert "88% of the calls at CV 3" in said
    assert "0.73 mean tool times" in said


def test_prompt_tokens_are_computed_or_found():
    step = [
        Step(1600, 0, 16, "file", 1.0),
        Step(1920, 1616, 16, "file", 1.0),
        Step(2240, 1936, 16, "file", 0.0),
    ]
    cluster, outcome = played("prefix-LRU", moments=(0.0,), tasks=[Task("a", "t", 0, tuple(step))])
    assert cluster.workers[0].computed_tokens == 1600 + (1920 - 1616) + (2240 - 1936)
    assert cluster.workers[0].again_tokens == 0
    assert outcome.ratios == [pytest.approx(1.0, rel=0.01)]


def test_the_same_seed_gives_the_same_outcome_also_where_memory_is_short():
    moments = [2.0 * index for index in range(8)]
    tasks = stream(5, 8, None)
    one, other = (played("full", moments=moments, workers=2, tasks=tasks, capacity=34_000) for _ in range(2))
    assert one[1] == other[1]
    assert sum(worker.again_tokens for worker in one[0].workers) > 0


def test_tools_have_the_quantiles_of_the_table():
    rng = Random(1)
    for tool, quantiles in TOOLS.items():
        seconds = sorted(tool_seconds(tool, rng) for _ in range(20_000))
        for share, expected in zip((0.5, 0.95, 0.99), quantiles, strict=True):
            assert seconds[int(share * len(seconds))] == pytest.approx(expected, rel=0.2)


def test_a_task_grows_by_what_it_says_and_hears():
    task = generated("a", Random(2))
    assert all(
        after.known_tokens == before.prompt_tokens + before.output_tokens
        for before, after in zip(task.steps, task.steps[1:], strict=False)
    )
    assert alone(task) > sum(step.tool_seconds for step in task.steps[:-1])


@settings(max_examples=80)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.booleans()), max_size=12), st.randoms()
)
def test_a_queue_is_read_as_it_came_and_by_places_without_being_sorted(arrivals, rng):
    waiting, expected = Waiting(), []
    for number, (tenant, place, front) in enumerate(arrivals):
        turn = Turn(str(number), tenant, 100, 0, 10, 0, 0.0, place=float(place))
        waiting.add(turn, front=front)
        expected.insert(0 if front else len(expected), turn)
        if rng.random() < 0.3:
            gone = rng.choice(expected)
            waiting.remove(gone)
            expected.remove(gone)
        by_place = sorted(expected, key=lambda one: one.place)
        tenants = list(dict.fromkeys(one.tenant for one in expected))
        assert (len(waiting), list(waiting)) == (len(expected), expected)
        assert waiting.by_place() == by_place
        assert list(waiting.heads().items()) == [
            (tenant, next(one for one in by_place if one.tenant == tenant)) for tenant in tenants
        ]


def test_those_who_may_come_back_miss_only_what_the_ended_do_not_free():
    kv = memory(spec=RetainSpec())
    for name, ended in (("gone", True), ("away", False)):
        kv.take(name, 64, 0, 0.0)
        kv.leave(Kept(name, 64, 1.0, ended=ended))
    assert [kv.missing_tokens("new", tokens) for tokens in (32, 96, 112)] == [0, 0, 16]
    # Its own memory is not in its way.
    assert kv.missing_tokens("away", 96) == 0
    kv.take("new", 80, 0, 2.0)
    assert (kv.cached_tokens("gone"), kv.cached_tokens("away")) == (16, 64)


def test_a_stream_is_the_same_however_it_is_asked_for():
    whole = Stream(3, None)
    assert [*whole.first(2), *whole.first(5)[2:]] == list(stream(3, 5, None))
