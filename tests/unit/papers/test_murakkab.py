"""Murakkab's study: its catalogue, its days, and what a day comes to under each way."""

from dataclasses import replace

import pytest
from bench.papers.murakkab import demand
from bench.papers.murakkab.demand import day
from bench.papers.murakkab.library import BATCHES, CODE, QA, TOOL_SECONDS, library
from bench.papers.murakkab.runs import HAND, HAND_SCALED, JOINT, SEPARATE, TUNED, Case, play

HOURS = (3, 14)


@pytest.fixture(scope="module")
def days():
    return {
        mode: play(Case(1, None, HOURS, mode, products=("h100",)))
        for mode in (HAND, HAND_SCALED, TUNED, SEPARATE, JOINT)
    }


def test_every_option_uses_engines_that_there_are_and_tools_where_a_video_is_asked_about():
    shelf = library()
    engines = {engine.name: engine for engine in shelf.engines}
    assert all(name in engines for mine in shelf.options.values() for option in mine for name in option.work)
    assert all(TOOL_SECONDS in option.work.values() for option in shelf.options[QA])
    assert all(len(option.work) == 1 for option in shelf.options[CODE])
    assert all(0 < engine.idle_watts < engine.watts for engine in engines.values())


def test_more_running_at_a_time_takes_less_of_a_replica_and_longer():
    calls = {
        batch: next(o for o in library().options[CODE] if o.name == f"one call by Qwen3-14B on 1 h100 at 1980 MHz, {batch} running")
        for batch in BATCHES[:2]
    }  # fmt: skip
    few, many = (calls[batch] for batch in BATCHES[:2])
    assert sum(many.work.values()) < sum(few.work.values())
    assert many.seconds > few.seconds


def test_a_day_has_the_mean_asked_for_and_is_another_with_another_seed():
    for rates in day(None, 2).values():
        assert sum(rates) / len(rates) == pytest.approx(demand.MEAN_PER_SECOND)
    assert day(None, 2) == day(None, 2) != day(None, 3)


def test_planned_days_serve_everybody_as_asked_and_hand_made_ones_do_not(days):
    assert days[JOINT]["served_well"] == days[TUNED]["served_well"] == pytest.approx(1.0)
    assert days[HAND]["served_well"] < 1.0


def test_what_may_be_chosen_anew_every_hour_costs_no_more(days):
    assert days[HAND_SCALED]["gpu_hours"] <= days[HAND]["gpu_hours"]
    assert days[SEPARATE]["kwh"] <= days[TUNED]["kwh"] * 1.01
    assert days[JOINT]["kwh"] <= days[SEPARATE]["kwh"] * 1.01


def test_rows_keep_their_watts():
    case = Case(1, None, (3,), JOINT, products=("h100",))
    kilowatts = play(case)["full_kw"]
    held = play(replace(case, row_watts=0.55e3 * kilowatts))
    assert held["full_kw"] <= 1.1 * kilowatts
    assert play(replace(case, row_watts=0.1e3 * kilowatts))["gpus"] == float("inf")


def test_minutes_above_a_buffer_are_counted(tmp_path):
    path = tmp_path / "arrivals.csv"
    stamps = [
        f"2023-11-16 18:{minute:02}:{second:02}.0"
        for minute in range(10)
        for second in range(5 if minute else 15)
    ]
    path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(f"{at},1,1\n" for at in stamps))
    assert demand.above(path, 1.15) == pytest.approx(0.1)
    assert demand.above(path, 3.0) == 0.0
