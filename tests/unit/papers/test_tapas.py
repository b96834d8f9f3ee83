"""The halls of the TAPAS study: load is kept, rows and GPUs are held, the same seed says the same."""

import numpy as np
import pytest
from bench.papers.tapas import placing, tenants, weather
from bench.papers.tapas.hall import SLOWDOWN_CELSIUS, Hall, Servers
from bench.papers.tapas.play import Case, World, play
from bench.papers.tapas.steering import MOST_BUSY, _filled
from bench.papers.tapas.study import _worst, violated

from wattline.world.facility import Facility, Shape, Slot

SHAPE = Shape(rows=2, rows_per_aisle=1, servers_per_row=2)
SLOTS = [Slot(row, row, 0.0, 8.0, 1.0) for row in (0, 0, 1, 1)]


def hall(full_watts=600.0, memory=0.0):
    ones = np.ones(4)
    return Hall(Facility(SHAPE, SLOTS), Servers(ones, full_watts * ones, memory * ones))


def test_an_idle_and_a_full_server_draw_what_is_said():
    still, full = (hall().drawn(np.full(4, load), np.ones(4))[2][0] for load in (0.0, 1.0))

    assert still == pytest.approx(8 * 100 + 1_300)
    assert full == pytest.approx(8 * 600 + 2_500)


def test_a_slower_clock_takes_longer_for_the_same_work():
    # Perseus at 0.809 of the clock: 1.172 times the time
    busy = hall().drawn(np.full(4, 0.5), np.full(4, 0.809))[0]

    assert busy == pytest.approx(np.full(4, 0.5 * 1.172), rel=0.01)


def test_a_full_row_is_slowed_as_a_whole_and_the_other_is_not():
    load = np.array([1.0, 1.0, 0.2, 0.2])
    moment = hall().step(load, np.ones(4), 10.0, 12_000.0)

    assert moment.asked_row_watts[0] > 12_000 >= moment.row_watts[0]
    assert moment.held.tolist() == [1, 1, 0, 0]
    assert moment.clock[0] == moment.clock[1] < 1
    assert moment.clock[2] == 1


def test_a_gpu_never_passes_its_slowdown():
    moment = hall(full_watts=700.0).step(np.ones(4), np.ones(4), 45.0, np.inf)

    assert moment.hot.all()
    assert (moment.celsius <= SLOWDOWN_CELSIUS + 1e-6).all()


@pytest.mark.parametrize(
    ("demand", "shares", "room", "given"),
    [
        pytest.param(1.0, [0.5, 0.5], [1.0, 1.0], [0.5, 0.5], id="by shares"),
        pytest.param(1.0, [1.0, 0.0], [0.6, 1.0], [0.6, 0.4], id="what does not fit goes to the other"),
        pytest.param(2.0, [0.5, 0.5], [0.5, 0.5], [1.0, 1.0], id="what fits nowhere stays, and is late"),
    ],
)
def test_demand_is_divided_and_kept(demand, shares, room, given):
    assert _filled(demand, np.array(shares), np.array(room)).tolist() == pytest.approx(given)


def test_tenants_fill_the_hall_half_by_half_and_stay_when_servers_are_added():
    few, many = (tenants.drawn(1, count, common=0.5, days=1, step_seconds=3600.0) for count in (80, 120))

    assert len(few.group_of) == round(0.92 * 80)
    opaque = sum(not few.groups[group].endpoint for group in few.group_of) / len(few.group_of)
    assert 0.4 <= opaque <= 0.6
    kept = len(few.groups) - 1  # the last was cut to the room
    same = int((few.group_of < kept).sum())
    assert (few.loads[:, :same] == many.loads[:, :same]).all()


def test_swings_in_common_make_loads_alike():
    apart, alike = (
        tenants.drawn(1, 80, common=common, days=2, step_seconds=1800.0).correlation for common in (0.0, 0.9)
    )

    assert apart < 0.3 < alike


def test_every_tenant_has_a_place_of_its_own_and_all_demand_is_kept():
    world = World(Case(0, 0.0, 3, 1, 3600.0, None))
    asked = world._spread_servers(world.tenants.loads[-1])
    load, _ = world.steering.routed(asked)

    assert len(set(world.places.tolist())) == len(world.tenants.group_of)
    assert load.sum() == pytest.approx(asked.sum())
    assert load[world.endpoint > 0].max() <= MOST_BUSY + 1e-9
    assert placing.packed(world.tenants) == list(range(len(world.tenants.group_of)))


def test_the_same_case_says_the_same():
    case = Case(3, 0.3, 3, 1, 3600.0, None)

    assert play(case) == play(case)


def test_an_emergency_answered_by_class_keeps_every_row_under_its_watts():
    said = play(Case(1, 0.3, 3, 1, 3600.0, None, emergency="ours"))

    assert said["over_rows"] == 0
    assert said["opaque_loss"] < play(Case(1, 0.3, 3, 1, 3600.0, None, emergency="uniform"))["opaque_loss"]


def test_generated_weather_has_an_hour_for_each_hour():
    assert len(weather.hours(None, 1, 5)) == 120


def test_what_counts_as_violation():
    kept = {"hot": 0.0004, "held": 0.0005, "unserved": 0.005}

    assert not violated(kept)
    assert violated({**kept, "held": 0.001})
    assert violated({**kept, "unserved": 0.02})
    assert _worst([3.0, 1.0, 2.0]) == 1.0
    assert _worst([float(each) for each in range(20)]) == 1.0
