"""The device process goes before others on the CPU where it may."""

import os

from wattline_agent.priority import NICE, go_first


def test_it_asks_for_itself_alone():
    asked = []
    go_first(lambda *what: asked.append(what))

    assert asked == [(os.PRIO_PROCESS, 0, NICE)]
    assert NICE < 0


def test_where_it_may_not_it_goes_on_as_it_is():
    def refused(*_):
        raise PermissionError

    go_first(refused)
