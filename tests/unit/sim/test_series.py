"""What a recording of a simulation holds, and that looking changes nothing."""

from dataclasses import replace

import pytest
from tests.unit.sim.test_simulate import fleet, scenario

from wattline.sim.series import curve
from wattline.sim.simulate import simulate


@pytest.fixture(scope="module")
def recorded():
    return simulate(scenario(rate=0.03, hours=0.2, fleet=fleet(2, 560), clock=None, series_seconds=10.0))


def test_nothing_is_recorded_unless_asked():
    report = simulate(scenario(hours=0.02))

    assert report.series is None
    assert report.curves is None


@pytest.mark.parametrize("budget_watts", [None, 700])
def test_recording_changes_no_figure(budget_watts):
    asked = scenario(rate=0.03, hours=0.1, fleet=fleet(2, budget_watts))

    assert simulate(asked).flat() == simulate(replace(asked, series_seconds=15.0)).flat()


def test_every_column_has_a_row_for_every_moment(recorded):
    series = recorded.series
    rows = len(series.at_seconds)

    assert rows == int(recorded.seconds // 10)
    assert series.at_seconds[:3] == (10.0, 20.0, 30.0)
    columns = [
        series.watts,
        series.clock_mhz,
        series.celsius,
        *series.domain_watts.values(),
        *series.resident_tokens.values(),
        *series.capacity_tokens.values(),
        *series.running_turns.values(),
        *series.held_turns.values(),
    ]
    assert all(len(column) == rows for column in columns)
    assert set(series.domain_watts) == {"box"}
    assert set(series.resident_tokens) == {"coder"}


def test_watts_over_time_add_up_to_the_joules(recorded):
    series = recorded.series

    assert sum(series.watts) * 10 == pytest.approx(recorded.joules, rel=0.02)
    assert series.domain_watts["box"] == pytest.approx(series.watts)


def test_memory_fills_and_is_never_more_than_there_is(recorded):
    series = recorded.series
    shares = [
        held / there
        for held, there in zip(series.resident_tokens["coder"], series.capacity_tokens["coder"], strict=True)
    ]

    assert 0.05 < max(shares) <= 0.95
    assert max(series.running_turns["coder"]) > 0
    assert recorded.max_celsius >= max(series.celsius)


def test_curves_reach_from_the_least_to_the_greatest(recorded):
    runs = recorded.curves.run_seconds

    assert list(runs) == sorted(runs)
    assert recorded.run_seconds_p50 == pytest.approx(runs[100], rel=0.2)
    assert runs[-1] >= recorded.run_seconds_p95
    assert curve([]) == ()
    assert set(curve([3.0])) == {3.0}


def test_a_domain_has_its_own_figures_and_they_stand_in_the_flat_object(recorded):
    (box,) = recorded.domains

    assert box.mean_watts == pytest.approx(recorded.mean_watts)
    assert box.peak_watts == recorded.peak_watts
    assert box.over_budget_seconds == recorded.over_budget_seconds > 0
    assert recorded.flat()["domains.box.budget_watts"] == 560
    assert not {"domains", "series", "curves"} & recorded.flat().keys()
