"""Arrivals are taken one at a time: memory holds the runs under way, and the order is that of a whole list."""

import json
from dataclasses import replace
from random import Random

import pytest
from tests.unit.sim.test_simulate import scenario

from wattline.sim.events import Events
from wattline.sim.simulate import simulate


class Made:
    """Arrivals that are made while they are asked for."""

    def __init__(self, arrivals):
        self._arrivals = list(arrivals)
        self.made = 0

    def __len__(self):
        return len(self._arrivals)

    def __iter__(self):
        for arrival in self._arrivals:
            self.made += 1
            yield arrival


def test_a_list_in_any_order_and_arrivals_made_on_the_way_give_the_same_bytes():
    asked = scenario(rate=0.05, hours=0.1)
    whole = simulate(asked).flat()
    mixed = list(asked.arrivals)
    Random(1).shuffle(mixed)

    assert json.dumps(simulate(replace(asked, arrivals=mixed)).flat()) == json.dumps(whole)
    assert json.dumps(simulate(replace(asked, arrivals=Made(asked.arrivals))).flat()) == json.dumps(whole)


def test_only_the_next_arrival_is_held():
    arrivals = Made(scenario(rate=0.05, hours=0.5).arrivals)
    simulate(scenario(rate=0.05, hours=0.1, arrivals=arrivals, drain_hours=0.0))

    assert 1 < arrivals.made < len(arrivals) / 2


def test_arrivals_made_on_the_way_have_to_be_in_order():
    asked = scenario(rate=0.05, hours=0.1)
    backwards = Made(sorted(asked.arrivals, key=lambda each: -each.at_seconds))

    with pytest.raises(ValueError, match=r"comes after one at .* sort them, or give a list"):
        simulate(replace(asked, arrivals=backwards))


def test_equal_times_keep_the_places_that_were_reserved():
    events, order = Events(), []
    place = events.reserve(2)
    events.at(1.0, lambda: order.append("later"))
    events.at_place(1.0, place + 1, lambda: order.append("second"))
    events.at_place(1.0, place, lambda: order.append("first"))
    events.run(until_seconds=2.0)

    assert order == ["first", "second", "later"]
