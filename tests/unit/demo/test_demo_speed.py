"""The demo goes as fast as the machine bears."""

from pathlib import Path

from wattline.demo.result import FleetSecond, PassResult
from wattline.demo.runs import Load
from wattline.demo.show import three_passes
from wattline.demo.stage import Setting
from wattline.fake.record import EngineSecond, GpuSecond
from wattline.model.fleet import Fleet


class Said:
    """A view that keeps what was said."""

    def __init__(self):
        self.lines = []

    def show(self, stage):
        pass

    def say(self, line):
        self.lines.append(line)


class LateAbove:
    """A pass whose node loops come late above a speed."""

    def __init__(self, bearable):
        self.bearable = bearable
        self.played = []

    def __call__(self, plan, setting, load):
        self.plan, self.speed, self.result = plan, setting.speed, PassResult(plan.name, runs_offered=1)
        self.longest_seconds = setting.longest_seconds
        return self

    async def play(self, watch):
        late = 2.0 if self.speed > self.bearable else 0.1
        gpu = GpuSecond(400.0, 0.0, 50.0, 1980, 700.0, 0.0)
        engine = EngineSecond("e", 1, 1, 0, 0, 0, 1, 0, 0, 0)
        for at in range(1, 60):
            self.result.seconds.append(FleetSecond(float(at), 400.0, late, (gpu,), (engine,)))
            watch(self)
        self.played.append((self.plan.name, self.speed, self.plan.budget_watts))
        return self.result


def setting(speed):
    return Setting(Path("/nowhere"), Fleet(), Path("/nowhere"), "h100", speed, 1, 45.0 * speed)


async def test_a_machine_that_keeps_up_plays_every_pass_once():
    stage, view = LateAbove(100.0), Said()

    shown = await three_passes(setting(20.0), Load((), "none"), view, stage)

    assert stage.played == [
        ("full clocks", 20.0, None),
        ("uniform cap", 20.0, 300.0),
        ("wattline", 20.0, 300.0),
    ]
    assert shown.speed == 20.0
    assert not any("does not keep up" in line for line in view.lines)


async def test_a_late_machine_is_slowed_down_until_it_keeps_up_and_told_so():
    stage, view = LateAbove(8.0), Said()

    shown = await three_passes(setting(20.0), Load((), "none"), view, stage)

    assert shown.speed == 7.2
    assert stage.longest_seconds == 45.0 * 7.2
    assert [name for name, _, _ in stage.played] == ["full clocks", "uniform cap", "wattline"]
    assert "  this machine does not keep up with speed 20; going on with 12" in view.lines


async def test_the_slowest_speed_is_kept_however_late():
    stage = LateAbove(0.0)

    shown = await three_passes(setting(3.0), Load((), "none"), Said(), stage)

    assert shown.speed == 2.0
