"""Which changes of objects wake the loop."""

import pytest

from wattline.controller.nudges import news


def thing(generation=1, status=None, **meta):
    return {"metadata": {"generation": generation, **meta}, "status": status}


@pytest.mark.parametrize(
    ("was", "now", "wakes"),
    [
        pytest.param(thing(), thing(generation=2), True, id="a user's change"),
        pytest.param(thing(), thing(deletionTimestamp="t"), True, id="the begin of a deletion"),
        pytest.param(thing(), thing(status={"drawWatts": 3}), False, id="what the loop itself wrote"),
        pytest.param(thing(), thing(annotations={"a": "b"}), False, id="somebody's note"),
        pytest.param(
            thing(status={"run": {"phase": "Running", "joules": 1}}),
            thing(status={"run": {"phase": "Running", "joules": 2}}),
            False,
            id="a run that goes on",
        ),
        pytest.param(
            thing(status={"run": {"phase": "Running"}}),
            thing(status={"run": {"phase": "Succeeded"}}),
            True,
            id="a run that ends",
        ),
    ],
)
def test_what_users_and_runners_do_wakes_the_loop_and_what_it_writes_itself_does_not(was, now, wakes):
    assert (news(was) != news(now)) is wakes
