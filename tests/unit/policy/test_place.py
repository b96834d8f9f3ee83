"""Which nodes a waiting pod may go to."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.policy.place import MOST_AT_ONCE, Site, Waiting, Why, place

A1 = Site("a1", ("row-a", "hall"), free_gpus=2)
A2 = Site("a2", ("row-a", "hall"), free_gpus=1)
B1 = Site("b1", ("row-b", "hall"), free_gpus=2)
SITES = (A1, A2, B1)
EVERYWHERE = ("a1", "a2", "b1")


def wants(name, watts, *, gpus=1, nodes=EVERYWHERE):
    return Waiting(name, gpus, dict.fromkeys(nodes, float(watts)))


@pytest.mark.parametrize(
    ("free", "pod", "nodes", "why", "detail"),
    [
        pytest.param(
            (900, 900, 900), wants("p", 300), ("a1", "a2", "b1"), Why.FITS, "", id="it fits anywhere"
        ),
        pytest.param((200, 900, 900), wants("p", 300), ("b1",), Why.FITS, "", id="one row has the watts"),
        pytest.param(
            (900, 900, 900), wants("p", 300, gpus=2), ("a1", "b1"), Why.FITS, "", id="two GPUs of one node"
        ),
        pytest.param(
            (900, 900, 200),
            wants("p", 300),
            (),
            Why.NO_WATTS,
            "100 W are missing in hall",
            id="the whole chain counts, and the scarcest is named",
        ),
        pytest.param(
            (100, 250, 900),
            wants("p", 300),
            (),
            Why.NO_WATTS,
            "50 W are missing in row-b (for b1",
            id="nearest miss",
        ),
        pytest.param(
            (900, 900, 900),
            wants("p", 300, gpus=3),
            (),
            Why.NO_GPUS,
            "needs 3 GPUs of one node; a1 has 2 free",
            id="no node has so many GPUs free",
        ),
        pytest.param(
            (-math.inf, 900, -math.inf), wants("p", 0), (), Why.NO_WATTS, "cannot be judged", id="not known"
        ),
        pytest.param(
            (900, 900, 900), wants("p", 300, nodes=()), (), Why.NO_NODE, "", id="no node is open to it"
        ),
        pytest.param(
            (0, 0, 0), wants("p", 0), ("a1", "a2", "b1"), Why.FITS, "", id="it wants the floors alone"
        ),
    ],
)
def test_one_pod(free, pod, nodes, why, detail):
    (placement,) = place(dict(zip(("row-a", "row-b", "hall"), free, strict=True)), SITES, [pod])

    assert (placement.nodes, placement.why) == (nodes, why)
    assert detail in placement.detail


def test_a_node_whose_gpus_are_not_read_back_is_left_out_and_named_if_it_was_the_only_one():
    closed = Site("a1", ("row-a",), free_gpus=2, read_back=False)
    free = {"row-a": 900.0, "row-b": 900.0, "hall": 900.0}

    assert place(free, [closed, B1], [wants("p", 1)])[0].nodes == ("b1",)
    (only,) = place(free, [closed], [wants("p", 1)])
    assert (only.nodes, only.why) == ((), Why.NOT_READ_BACK)
    assert "a1" in only.detail


def test_a_node_under_no_enforced_budget_takes_whoever_has_gpus_there():
    (placement,) = place({}, [Site("n", (), free_gpus=1)], [Waiting("p", 1, {"n": 400.0})])

    assert placement.nodes == ("n",)


def test_what_was_let_through_counts_on_every_node_it_may_still_take():
    through = [wants("earlier", 300, nodes=("a1", "b1"))]
    free = {"row-a": 500.0, "row-b": 500.0, "hall": 900.0}
    (placement,) = place(free, SITES, [wants("p", 300)], through)

    assert placement.why is Why.NO_WATTS
    assert place(free | {"row-a": 600.0}, SITES, [wants("p", 300)], through)[0].nodes == ("a1", "a2")


sites = st.lists(
    st.builds(
        Site,
        st.sampled_from(("n1", "n2", "n3", "n4")),
        st.sampled_from((("row-a", "hall"), ("row-b", "hall"), ("hall",), ())),
        st.integers(0, 4),
        st.booleans(),
    ),
    max_size=4,
    unique_by=lambda site: site.node,
)
pods = st.lists(
    st.builds(
        Waiting,
        st.just("p"),
        st.integers(0, 3),
        st.dictionaries(st.sampled_from(("n1", "n2", "n3", "n4")), st.floats(0, 500), max_size=4),
    ),
    max_size=8,
)
watts = st.fixed_dictionaries({name: st.floats(-500, 3000) for name in ("row-a", "row-b", "hall")})


@given(watts, sites, pods, st.randoms(use_true_random=False))
def test_wherever_the_scheduler_puts_them_there_are_watts_and_gpus_for_all(free, where, waiting, choice):
    """The scheduler takes pods in any order, and for each any node that has the GPUs."""
    by_name = {site.node: site for site in where}
    placements = place(free, where, waiting)
    let = [(pod, p.nodes) for pod, p in zip(waiting, placements, strict=True) if p.why is Why.FITS]
    left = {site.node: site.free_gpus for site in where}
    used = dict.fromkeys(free, 0.0)
    choice.shuffle(let)
    for pod, nodes in let:
        open_now = [node for node in nodes if left[node] >= pod.gpus]
        assert open_now, "no GPU is left for a pod that was let through"
        node = choice.choice(open_now)
        assert by_name[node].read_back
        assert node in pod.watts
        left[node] -= pod.gpus
        for domain in by_name[node].domains:
            used[domain] += pod.watts[node]
    assert all(used[domain] <= max(0.0, free[domain]) + 1e-3 for domain in free)
    assert all(p.detail for p in placements)


@given(watts, sites, pods, pods)
def test_what_was_let_through_before_takes_away_and_never_adds(free, where, waiting, through):
    """A pod that may go nowhere on its own may go nowhere with others before it, and never elsewhere."""
    alone = [set(place(free, where, [pod])[0].nodes) for pod in waiting]
    together = [set(p.nodes) for p in place(free, where, waiting, through)]

    assert all(some <= every for some, every in zip(together, alone, strict=True))


def test_many_pods_are_let_through_at_once_over_the_rows_that_have_watts():
    """Ten rows of ten nodes: more pods than one row could take, and no more at once than can be written."""
    where = [Site(f"n{row}-{i}", (f"row-{row}", "hall"), 8) for row in range(10) for i in range(10)]
    free = {f"row-{row}": 8_000.0 for row in range(10)} | {"hall": 70_000.0}
    every = {site.node: 100.0 for site in where}
    waiting = [Waiting(f"p{i}", 1, every) for i in range(800)]
    placements = place(free, where, waiting)

    let = [p for p in placements if p.why is Why.FITS]
    assert len(let) == MOST_AT_ONCE
    assert {p.why for p in placements} == {Why.FITS, Why.NOT_ITS_TURN}

    bound = {name: watts - 100.0 * 60 for name, watts in free.items()} | {"hall": 70_000.0 - 60_000.0}
    assert [p.why for p in place(bound, where, waiting)].count(Why.FITS) == 100, (
        "as many as the hall has left"
    )


def test_a_few_pods_may_go_anywhere_so_that_the_scheduler_has_a_choice():
    placements = place(
        {"row-a": 900.0, "row-b": 900.0, "hall": 900.0}, SITES, [wants("p", 100), wants("q", 100)]
    )

    assert [p.nodes for p in placements] == [("a1", "a2", "b1")] * 2
