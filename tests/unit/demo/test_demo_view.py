"""What the demo shows while it runs."""

from types import SimpleNamespace

import pytest
from rich.console import Console

from wattline.demo.result import FleetSecond, PassResult, Resident
from wattline.demo.view import LiveView, PlainView
from wattline.fake.agents import RunOutcome, TurnOutcome
from wattline.fake.record import EngineSecond, GpuSecond


@pytest.fixture
def stage():
    """A pass in its 65th second: one engine on two GPUs, one run done, one at work, one waiting, one failed."""
    result = PassResult("wattline", runs_offered=40)
    gpus = tuple(GpuSecond(watts, 0.0, 61.0, 1410, 500.0, 0.0) for watts in (300.0, 310.0))
    engines = (EngineSecond("coder-0", 2, 7, 3, 0, 0, 100, 0, 0, 0),)
    result.seconds = [FleetSecond(float(at), 610.0, 0.0, gpus, engines) for at in (64, 65)]
    result.resident = [Resident(65.0, (0.97,), 3)]
    turn = TurnOutcome(1.0, 2.0, 3.0, 10, 0, 5)
    done, working, failed = (RunOutcome(name, 2, 0.0, turns=[turn]) for name in ("done", "working", "failed"))
    done.finished_seconds, failed.failure = 9.0, "turn 2: the stream broke off"
    result.outcomes = [done, working, failed, RunOutcome("waiting", 2, 0.0)]
    return SimpleNamespace(
        plan=SimpleNamespace(name="wattline", budget_watts=600.0), result=result, passed_seconds=65.0
    )


RUNS = "1/40 runs done, 1 at work, 1 waiting to start, 1 failed"


def test_off_a_terminal_a_line_comes_now_and_then(stage, capsys):
    with PlainView() as view:
        view.show(stage)
        stage.passed_seconds = 70.0
        view.show(stage)
        stage.passed_seconds = 130.0
        view.show(stage)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"    65 s  0.61 kW of 0.60 kW · resident 97% · hottest 61 °C · {RUNS}"
    assert len(lines) == 2


def test_on_a_terminal_every_gpu_stands_beside_its_engine(stage):
    console = Console(force_terminal=True, width=140, record=True, color_system=None)
    with LiveView(console) as view:
        view.show(stage)
        view.say("a line that stays")

    shown = console.export_text()
    assert RUNS in shown
    assert "a line that stays" in shown
    rows = [line.split() for line in shown.splitlines() if "1410" in line]
    assert rows[-2:] == [
        ["coder-0", "300", "W", "500", "W", "1410", "61", "97%", "7", "3"],
        ["310", "W", "500", "W", "1410", "61"],
    ]
