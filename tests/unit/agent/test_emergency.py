"""Emergency levels: what begins them, what ends them, and what survives."""

import json
from dataclasses import asdict

import pytest

from wattline.api.powernode import EmergencyLevel
from wattline_agent.emergency import Armed, Begun, Emergencies, Signal, parse

LEVEL = EmergencyLevel(level="row", budget_watts=500.0, duration_seconds=300.0)
ARMED = Emergencies().arm((LEVEL,))


def signal(number=1, *, level="row", way="http", ends=False):
    return Signal(level, number, way, ends)


def begun(at=1000.0):
    return ARMED.hear(signal(), at, may_end=True)


def until(levels, name="row"):
    return levels.begun[name].until_seconds if name in levels.begun else None


@pytest.mark.parametrize(
    ("said", "at", "end"),
    [
        pytest.param(signal(2), 1100.0, 1400.0, id="a repeat extends"),
        pytest.param(signal(1), 1100.0, 1300.0, id="the same signal told again does not"),
        pytest.param(
            signal(1, way="file"), 1100.0, 1400.0, id="another way's first signal is another signal"
        ),
        pytest.param(signal(2, level="hall"), 1100.0, 1300.0, id="a level that is not armed changes nothing"),
        pytest.param(signal(2, ends=True), 1100.0, None, id="an end ends it"),
        pytest.param(
            signal(2, level="hall", ends=True), 1100.0, 1300.0, id="the end of another level does not"
        ),
    ],
)
def test_a_level_that_has_begun_hears(said, at, end):
    assert until(begun().hear(said, at, may_end=True)) == end


def test_an_end_is_left_to_the_duration_while_nobody_renews_the_order():
    levels = begun().hear(signal(2, ends=True), 1100.0, may_end=False)

    assert until(levels) == 1300.0
    assert until(levels.hear(signal(2, ends=True), 1200.0, may_end=True)) == 1300.0, (
        "it was heard, and refused"
    )


def test_it_ends_by_its_duration_and_not_before():
    assert begun().at(1299.9).begun
    assert not begun().at(1300.0).begun


def test_a_signal_for_a_level_that_is_not_armed_does_not_begin_it_once_it_is():
    levels = Emergencies().hear(signal(), 1000.0, may_end=True).arm((LEVEL,))

    assert not levels.hear(signal(), 1001.0, may_end=True).begun


@pytest.mark.parametrize(
    ("armed", "watts"),
    [
        pytest.param(
            (LEVEL.model_copy(update={"budget_watts": 400.0}),), 400.0, id="a tighter level counts at once"
        ),
        pytest.param(
            (LEVEL.model_copy(update={"budget_watts": 600.0}),), 500.0, id="a looser one only next time"
        ),
        pytest.param((), 500.0, id="one that is gone stays until its end"),
    ],
)
def test_a_new_order_never_loosens_what_has_begun(armed, watts):
    levels = begun().arm(armed)

    assert levels.begun["row"].budget_watts == watts
    assert [source.watts for source in levels.sources()] == [watts]


def test_a_repeat_does_not_loosen_either():
    levels = (
        begun().arm((LEVEL.model_copy(update={"budget_watts": 600.0}),)).hear(signal(2), 1100.0, may_end=True)
    )

    assert levels.begun["row"] == Begun(500.0, 300.0, 1400.0)


def raw(levels):
    return json.loads(json.dumps(asdict(levels)))


def test_a_record_gives_back_what_it_was_given():
    assert parse(raw(begun()), same_time=True) == begun()


def test_after_a_reboot_what_had_begun_starts_its_duration_anew_and_old_signals_stay_old():
    levels = parse(raw(begun()), same_time=False).at(10.0)

    assert until(levels) == 310.0
    assert levels.hear(signal(), 20.0, may_end=True) == levels


@pytest.mark.parametrize("watts", [float("nan"), float("inf"), -1.0, "much", None])
def test_a_record_that_makes_no_sense_is_refused(watts):
    with pytest.raises((ValueError, TypeError)):
        parse(
            {"armed": {"row": {"budget_watts": watts, "duration_seconds": 1}}, "begun": {}, "heard": {}},
            same_time=True,
        )


def test_levels_say_their_watts_until_their_end():
    levels = Emergencies({"row": Armed(500.0, 300.0)}, {"row": Begun(450.0, 300.0, 9.0)})

    (source,) = levels.sources()
    assert (source.kind, source.name, source.watts, source.until_seconds) == ("Emergency", "row", 450.0, 9.0)
