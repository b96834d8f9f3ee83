"""Sessions, their chains and their families."""

from wattline.gateway.identity import Identity
from wattline.gateway.sessions import Sessions
from wattline.model.context import Extent


def context(stream, length):
    return (Extent("opening", 0, 4_000), Extent(stream, 0, length))


def test_turns_follow_each_other_and_side_questions_do_not_disturb_them():
    session = Sessions(100).meet(Identity("s"), 0.0)
    main = session.chain("pool", context("main", 9_000))
    main.context, main.busy = context("main", 9_000), True
    side = session.chain("pool", (Extent("title", 0, 3_000),))
    side.context = (Extent("title", 0, 3_000),)
    main.busy = False

    assert side is not main
    assert session.chain("pool", context("main", 12_000)) is main
    assert session.chain("pool", context("compacted", 500)) is main
    assert session.chain("other pool", context("main", 12_000)) not in (main, side)


def test_a_short_conversation_goes_on_though_nothing_can_be_proved():
    session = Sessions(100).meet(Identity("s"), 0.0)
    first = session.chain("pool", (Extent(-1, 0, 500),))
    first.context = (Extent(-1, 0, 500),)

    assert session.chain("pool", (Extent(-2, 0, 900),)) is first


def test_chains_that_a_session_left_behind_are_dropped_and_its_latest_never():
    session = Sessions(1e6).meet(Identity("s"), 0.0)
    old, new = session.chain("pool", context("a", 5_000)), None
    old.context, old.idle_since_seconds, old.busy = context("a", 5_000), 10.0, True
    new = session.chain("pool", (Extent("b", 0, 5_000),))
    new.context, new.idle_since_seconds = (Extent("b", 0, 5_000),), 50.0
    assert session.side_chains(10_000.0) == ()
    old.busy = False

    assert session.side_chains(60.0) == ()
    assert session.side_chains(10_000.0) == (old,)


def test_estimates_start_from_what_the_engine_counted_last():
    chain = Sessions(100).meet(Identity("s"), 0.0).chain("pool", ())
    assert chain.estimate(context("a", 4_000), 0.25) == 2_000
    chain.context, chain.tokens, chain.counted_bytes = context("a", 4_000), 2_500, 8_400

    assert chain.estimate(context("a", 8_400), 0.25) == 2_500 + 1_000
    assert chain.estimate((Extent("unrelated", 0, 400),), 0.25) == 100


def test_sub_agents_belong_to_the_root_and_are_owed_what_it_was_promised():
    sessions = Sessions(100)
    root = sessions.meet(Identity("root"), 0.0)
    child = sessions.meet(Identity("child", parent="root"), 0.0)
    grandchild = sessions.meet(Identity("grandchild", parent="child"), 0.0)
    orphan = sessions.meet(Identity("orphan", parent="nobody"), 0.0)

    assert (child.root, grandchild.root, orphan.root) == ("root", "root", "nobody")
    assert not sessions.owed(grandchild)
    sessions.accepted(root)
    assert sessions.owed(grandchild)
    assert not sessions.owed(orphan)
    assert {session.id for session in sessions.family("root")} == {"root", "child", "grandchild"}
    assert sessions.family("child") == (child,)
    sessions.end(root)
    assert not sessions.owed(child)


def test_only_sessions_that_are_silent_are_forgotten():
    sessions = Sessions(100)
    busy = sessions.meet(Identity("busy"), 0.0)
    busy.chain("pool", ()).busy = True
    silent = sessions.meet(Identity("silent"), 0.0)
    sessions.meet(Identity("fresh"), 90.0)

    assert list(sessions.forgotten(150.0)) == [silent]
