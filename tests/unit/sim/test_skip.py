"""What is not decided anew because nothing has changed comes out as if it had been, to the last bit."""

import json
from dataclasses import replace

import pytest
from tests.unit.sim.test_simulate import fleet, scenario

from wattline.policy.route import Mode
from wattline.sim.sensors import REAL
from wattline.sim.simulate import simulate


@pytest.mark.parametrize(
    "changes",
    [
        {"fleet": fleet(4), "clock": "wattline"},
        {"fleet": fleet(4, 1100), "clock": "wattline", "cap": "wattline"},
        {"fleet": fleet(4, 1100), "clock": 900, "cap": "wattline"},
        {"fleet": fleet(2, 500), "clock": None, "cap": "uniform", "watch_watts": True},
        {"fleet": fleet(2), "clock": None, "admission": False, "routing": Mode.ROUND_ROBIN},
        {"fleet": fleet(2, 560), "cap": "wattline", "sensors": REAL},
    ],
    ids=["clocks", "watts and clocks", "watts", "static caps", "overload", "late sensors"],
)
def test_skipping_what_is_unchanged_changes_no_byte(changes):
    asked = scenario(rate=0.05, hours=0.06, **changes)

    skipped = simulate(asked).flat()
    decided = simulate(replace(asked, skip_unchanged=False)).flat()

    assert json.dumps(skipped) == json.dumps(decided)
    assert skipped["turns"] > 50
