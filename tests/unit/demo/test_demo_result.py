"""What a pass is said to have shown."""

import re
import xml.etree.ElementTree as ET

import pytest

from wattline.demo import html, table
from wattline.demo.result import FleetSecond, PassResult, Resident, agent_rates, merged, recomputed
from wattline.demo.show import Shown
from wattline.fake.agents import RunOutcome, TurnOutcome
from wattline.fake.record import EngineSecond, GpuSecond, RecordReader, RecordWriter, Second
from wattline.model.context import Extent
from wattline.model.runs import Run, Turn
from wattline.sim.recording import Shared

OPENING = Extent(Shared("h"), 0, 1000)


def gpu(watts=300.0, **changes):
    calm = {"joules": 0.0, "celsius": 50.0, "clock_mhz": 1980, "limit_watts": 700.0, "throttled_seconds": 0.0}
    return GpuSecond(watts=watts, **calm | changes)


def engine(running=1):
    return EngineSecond("e", 1, running, 0, 10, 20, 100, 5, 3, 7)


def second(at, *watts, late=0.0):
    return Second(at, late, tuple(gpu(each) for each in watts), tuple(engine() for _ in watts))


def fleet_second(at, watts=300.0, **changes):
    return FleetSecond(float(at), watts, 0.0, (gpu(watts, **changes),), (engine(),))


def run(name, *turns):
    return Run(name, name, "h", tuple(turns))


def turn(stream, prompt, output, *, opening=OPENING):
    return Turn((opening, Extent(stream, 0, prompt)), Extent(stream, prompt, prompt + output), 1.0)


def outcome(name, *turns):
    done = RunOutcome(name, len(turns), 0.0)
    done.turns = [TurnOutcome(at, at, at + 1, prompt, cached, 50) for at, prompt, cached in turns]
    return done


def test_seconds_count_where_every_node_has_them_and_only_after_the_start():
    nodes = [
        {at: second(at, 100.0, 50.0, late=0.1) for at in (9, 10, 11, 12)},
        {at: second(at, 200.0) for at in (10, 11, 12, 13)},
    ]

    seen = merged(nodes, begin_seconds=10)

    assert [each.at_seconds for each in seen] == [1, 2]
    assert [each.watts for each in seen] == [350.0, 350.0]
    assert len(seen[0].gpus) == 3


@pytest.mark.parametrize(
    ("seen", "again"),
    [
        pytest.param([("a", (0, 1500, 0))], 0, id="a first prompt is new"),
        pytest.param([("a", (0, 1500, 0), (5, 1700, 1550))], 0, id="all of the last turn was cached"),
        pytest.param([("a", (0, 1500, 0), (5, 1700, 0))], 1550, id="all of the last turn was evicted"),
        pytest.param(
            [("a", (0, 1500, 0)), ("b", (3, 1500, 0))], 1000, id="the shared opening was computed before"
        ),
        pytest.param([("a", (0, 1500, 0)), ("b", (3, 1500, 1000))], 0, id="the shared opening was found"),
    ],
)
def test_recomputed_is_what_had_been_computed_before(seen, again):
    runs = {name: run(name, turn(name, 500, 50), turn(name, 700, 50)) for name in ("a", "b")}

    counted, _ = recomputed([outcome(name, *turns) for name, *turns in seen], runs)

    assert counted == again


def test_energy_of_unfinished_runs_is_paid_by_the_finished_ones():
    result = PassResult("x", seconds=[fleet_second(at) for at in range(1, 11)], runs_offered=3)
    result.outcomes = [outcome(str(i), (0, 1, 0)) for i in range(3)]
    result.outcomes[0].finished_seconds = result.outcomes[1].finished_seconds = 8.0

    assert result.joules_per_run == 1500.0
    assert result.runs_done == 2
    assert result.over_budget_seconds(299.9) == 10
    assert result.over_budget_seconds(300.0) == 0


def test_the_table_lines_up_and_says_what_went_over():
    full = PassResult(
        "full clocks", seconds=[fleet_second(1, 4400.0), fleet_second(2, 2000.0)], runs_offered=40
    )
    full.resident = [Resident(1.0, (1.2, 0.4), 0)]
    ours = PassResult("wattline", seconds=[fleet_second(1, 3000.0, clock_mhz=1200)], runs_offered=40)

    lines = table.text([table.measured(full, 3300.0), table.measured(ours, 3300.0)]).splitlines()

    assert "4.40 kW" in lines[1]
    assert "120% !" in lines[1]
    assert "over budget for 1 s" in lines[1]
    assert "never over" in lines[2]
    assert lines[1].index("3.30 kW") == lines[2].index("3.30 kW")


def test_the_report_is_one_page_that_needs_nothing_else():
    results = []
    for name in ("full clocks", "uniform cap", "<wattline>"):
        result = PassResult(name, seconds=[fleet_second(at) for at in range(1, 5)], runs_offered=2)
        result.resident = [Resident(1.0, (0.5,), 0)]
        result.outcomes = [outcome("r", (0, 10, 0))]
        result.outcomes[0].finished_seconds = 3.0
        results.append(result)
    results[1].outcomes[0].failure = "turn 2: HTTP 500 <b>"

    page = html.page(Shown(tuple(results), 225.0, 10.0), "a heading")

    svg = page[page.index("<svg") : page.index("</svg>") + 6]
    ET.fromstring(svg)
    assert "&lt;wattline&gt;" in page
    assert "HTTP 500 &lt;b&gt;" in page
    assert not re.search(r'(src|href)="https?:', page)


def test_a_record_is_read_as_it_is_written_and_a_torn_line_waits(tmp_path):
    path = tmp_path / "n1.record"
    reader = RecordReader(path)
    assert list(reader.news()) == []

    writer = RecordWriter(path)
    writer.write(second(1, 100.0))
    with path.open("a") as file:
        file.write('{"at_sec')
        file.flush()
        assert list(reader.news()) == [second(1, 100.0)]
        assert list(reader.news()) == []
    writer.close()


@pytest.mark.parametrize(
    ("turns", "rates"),
    [
        pytest.param([TurnOutcome(0, 2, 10, 1, 0, 100)], [10.0], id="prefill counts"),
        pytest.param(
            [TurnOutcome(0, 0, 5, 1, 0, 100), TurnOutcome(25, 25, 30, 1, 0, 50)], [15.0], id="tools do not"
        ),
        pytest.param(
            [TurnOutcome(20, 20, 40, 1, 0, 200)], [10.0, 10.0], id="a turn in two windows counts in both"
        ),
        pytest.param(
            [TurnOutcome(0, 40, 60, 1, 0, 60)], [0.0, 2.0], id="a window of waiting is one without tokens"
        ),
    ],
)
def test_agent_rates_are_tokens_over_open_seconds_a_window(turns, rates):
    seen = outcome("r")
    seen.turns = turns

    assert agent_rates([seen])[: len(rates)] == rates


def test_engines_have_the_gpus_that_stand_in_their_place():
    pair = EngineSecond("pair", 2, 1, 0, 0, 0, 1, 0, 0, 0)
    idle = EngineSecond("idle", 1, 0, 0, 0, 0, 1, 0, 0, 0)
    seen = FleetSecond(
        1.0, 0.0, 0.0, tuple(gpu(clock_mhz=mhz) for mhz in (1, 2, 3, 4)), (idle, pair, engine())
    )

    assert [(one.name, [each.clock_mhz for each in gpus]) for one, gpus in seen.groups()] == [
        ("idle", [1]),
        ("pair", [2, 3]),
        ("e", [4]),
    ]
    assert seen.busy_clocks() == [2, 3, 4]
