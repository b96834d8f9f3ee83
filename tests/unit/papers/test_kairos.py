"""KAIROS's study: its arithmetic on reports made by hand, and the knee's own."""

from dataclasses import replace

import pytest
from bench.papers.kairos import knees
from bench.papers.kairos.runs import Case, run
from bench.papers.kairos.study import study
from bench.papers.kairos.sweep import saved
from bench.papers.study import Form

from wattline.world.curve import PERSEUS

KILOJOULES = {"full": 10.0, "1200": 9.2, "1050": 8.9, "900": 8.8, "600": 9.9, "wattline": 9.0}


class ByHand:
    """Every run costs what the table says, 2 kJ more where nobody is held; no other load or seed changes it."""

    form = Form.REDUCED

    def pick(self, *, ci, reduced, full):
        return reduced

    def seeds(self):
        return range(2)

    def data(self, relative):
        return None

    def each(self, function, cases):
        return [self.report(asked.case) for asked in cases]

    def report(self, case):
        return {
            "joules_per_finished_run": 1e3 * KILOJOULES[case.clock] + (0 if case.admission else 2e3),
            "tokens_per_second_per_agent_p5": 30.0 if case.clock != "900" else 19.0,
            "recomputed_ratio": 0.02,
            "runs_finished": 100,
            "runs_offered": 100,
            "runs_outgrown": 0,
            "seconds": 3600.0,
            "run_seconds_mean": 200.0 if case.admission else 5000.0,
            "output_tokens": 400_000,
            "mean_watts": 300.0,
            "mean_clock_mhz": 1000.0,
            "joules": 1e6,
            "inside_ratio": 0.995 if case.load < 0.6 else 0.9,
            "replicas_waiting": 0.5,
        }


@pytest.fixture(scope="module")
def played():
    return study(ByHand())


@pytest.fixture(scope="module")
def ours(played):
    return {finding.claim.key: finding.mean for finding in played.findings}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("mean", 25.0, id="saving is against full clocks without admission: 9 of 12 kJ"),
        pytest.param("clock-alone", 10.0, id="the clock's part against full clocks with admission: 9 of 10 kJ"),
        pytest.param("regret", -10.0, id="a clock that misses the rate is not the best: 9 against 10 kJ, not 8.8"),
        pytest.param("reversal", 100 * (11.9 / 10.8 - 1), id="600 above 900 MHz where nobody is held"),
        pytest.param("collapse", 0.8, id="4,000 tokens a run in 5,000 s"),
        pytest.param("held", 20.0, id="4,000 tokens a run in 200 s"),
        pytest.param("slo", 1.0, id="the same saving at every objective leaves all of it"),
    ],
)  # fmt: skip
def test_what_a_finding_is_computed_from(ours, key, value):
    assert ours[key] == pytest.approx(value)


def test_the_highest_load_at_which_runs_are_near_their_time_alone(played):
    table = next(table for table in played.tables if "time alone" in table.title)
    assert {row[0]: row[-1] for row in table.rows} == {
        "full, no admission": "0.5",
        "full": "0.5",
        "wattline": "0.5",
    }


def test_a_run_that_meets_nobody_takes_what_it_takes_alone():
    case = Case(1, 0.05, 0.0, 1, at_start=1, watched=True)
    report = run(case, 0.0235, None)
    assert (report["runs_finished"], report["inside_ratio"]) == (1, 1.0)
    assert 0 < report["replicas_waiting"] < 1


def test_every_reason_is_one_line_with_a_number(played):
    reasons = [finding.reason for finding in played.findings if finding.reason]
    assert reasons
    assert all("\n" not in reason and any(letter.isdigit() for letter in reason) for reason in reasons)


def test_savings_are_paired_by_seed():
    assert saved([{"j": 5.0}, {"j": 20.0}], [{"j": 10.0}, {"j": 10.0}], "j") == [50.0, -100.0]


def test_full_clock_against_itself_saves_nothing():
    same = knees.at_clock(knees.PAPERS, PERSEUS, 4, 1680)
    assert (same.watts_ratio, same.rate_ratio, same.joules_ratio) == (1.0, 1.0, 1.0)


def test_a_chip_that_moves_fewer_bytes_a_clock_is_slower_at_low_clocks_only():
    narrow = knees.slower_chip(knees.PAPERS, 20.0)
    assert (
        knees.at_clock(narrow, PERSEUS, 1, 750).rate_ratio
        < knees.at_clock(knees.PAPERS, PERSEUS, 1, 750).rate_ratio
    )
    assert narrow.product.max_mhz == knees.PAPERS.product.max_mhz


def test_every_mode_sees_the_same_runs_and_plays_them_to_the_end():
    case = Case(1, 0.25, 0.5, 3)
    reports = [run(each, 0.0235, None) for each in (case, replace(case, clock="900"))]
    assert reports[0]["runs_offered"] == reports[1]["runs_offered"] > 0
    assert reports[0]["runs_finished"] == reports[1]["runs_finished"] == reports[0]["runs_offered"]
    assert reports[0]["output_tokens"] == reports[1]["output_tokens"]
    assert run(case, 0.0235, None) == reports[0]
