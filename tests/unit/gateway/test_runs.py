"""A finished run is counted once, with all its joules and no others."""

from wattline.gateway.runs import Runs

HERE, THERE = ("coder", "e0"), ("chat", "e1")


def worked(run="r", kept=10_000):
    runs = Runs(kept)
    account = runs.run(run)
    account.turns, account.last_seconds = 2, {HERE: 5.0, THERE: 4.0}
    runs.add_joules(run, 300.0)
    return runs


def told(runs, until):
    return [(run.pool, joules) for run, joules in runs.finished(until)]


def test_a_finished_run_is_told_once_its_joules_are_divided_under_the_pool_of_its_last_turn():
    runs = worked()

    assert runs.finish("r").pool == "coder"
    assert told(runs, {HERE: 4.5, THERE: 9.0}) == []
    runs.add_joules("r", 20.0)
    assert told(runs, {HERE: 5.0, THERE: 9.0}) == [("coder", 320.0)]
    assert told(runs, {HERE: 9.0, THERE: 9.0}) == []


def test_a_run_without_an_answered_turn_is_none():
    runs = Runs()
    runs.run("refused")

    assert runs.finish("refused") is None
    assert runs.finish("never-seen") is None


def test_a_run_that_goes_on_after_its_end_is_counted_again_with_what_came_since():
    runs = worked()
    until = {HERE: 9.0, THERE: 9.0}
    runs.finish("r")
    assert told(runs, until) == [("coder", 300.0)]
    assert runs.finish("r") is None, "its end is told twice"

    runs.run("r").turns += 1
    runs.add_joules("r", 50.0)

    assert runs.finish("r").pool == "coder"
    assert told(runs, until) == [("coder", 50.0)]


def test_a_run_with_an_open_turn_is_not_settled():
    runs = worked()
    runs.run("r").open_turns = 1
    runs.finish("r")

    assert told(runs, {HERE: 9.0, THERE: 9.0}) == []


def test_a_run_that_is_forgotten_is_not_waited_for():
    runs = worked(kept=1)
    runs.finish("r")
    runs.run("next")

    assert told(runs, {HERE: 9.0, THERE: 9.0}) == []
