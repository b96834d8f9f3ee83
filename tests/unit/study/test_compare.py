"""Comparisons are seed by seed, say what is chance, and refuse what had other work."""

import json

import pytest

from wattline.study import results
from wattline.study.compare import Verdict, compare
from wattline.study.intervals import interval
from wattline.study.results import ResultError
from wattline.study.tabled import cells, seeds


def result(seed=1, **figures):
    calm = {
        "seed": seed,
        "runs_finished": 50,
        "work_sha256": f"work of {seed}",
        "joules_per_finished_run": 20000.0,
    }
    return calm | figures


def side(*joules, **more):
    return {seed: result(seed, joules_per_finished_run=value, **more) for seed, value in enumerate(joules, 1)}


def row(found, key="joules_per_finished_run"):
    return next(row for row in found.rows if row.quantity.key == key)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        pytest.param(
            (20e3, 30e3, 40e3), (18e3, 27.3e3, 35.8e3), Verdict.BETTER, id="a tenth less in every seed"
        ),
        pytest.param(
            (20e3, 30e3, 40e3), (22e3, 33e3, 44.1e3), Verdict.WORSE, id="a tenth more in every seed"
        ),
        pytest.param((20e3, 30e3, 40e3), (22e3, 29e3, 40e3), Verdict.UNDECIDED, id="now more, now less"),
        pytest.param((20e3, 30e3, 40e3), (20e3, 30e3, 40e3), Verdict.EQUAL, id="the same"),
        pytest.param((20e3,), (10e3,), Verdict.ONE_SEED, id="one seed says nothing of chance"),
    ],
)
def test_a_difference_is_judged_by_the_seeds_pairs(before, after, verdict):
    assert row(compare(side(*before), side(*after))).verdict is verdict


def test_pairing_finds_what_lies_within_the_spread_of_the_seeds():
    found = row(compare(side(20e3, 30e3, 40e3), side(19e3, 28.6e3, 38e3)))

    assert found.before.half > 10 * abs(found.difference.mean)
    assert found.verdict is Verdict.BETTER
    assert found.percent.mean == pytest.approx(-4.89, abs=0.01)


def test_more_is_better_where_more_is_asked_for():
    found = compare(side(1, 1, 1, runs_finished=50), side(1, 1, 1, runs_finished=60))

    assert row(found, "runs_finished").verdict is Verdict.BETTER


def test_figures_of_domains_and_of_several_pools_are_compared_too():
    figures = {"domains.row-a.mean_watts": 900.0, "pools.a/x.runs_finished": 3, "pools.b.runs_finished": 4}
    found = compare(side(1, 1, **figures), side(1, 1, **figures))

    assert [each.quantity.title for each in found.rows if ":" in each.quantity.title] == [
        "row-a: mean draw", "a/x: runs done", "b: runs done",
    ]  # fmt: skip


def test_a_figure_that_some_seeds_do_not_have_is_of_the_others():
    found = compare(side(20e3, None, 40e3), side(18e3, 1.0, 35.8e3))

    assert row(found).difference.count == 2


def test_what_was_asked_otherwise_is_named():
    before, after = side(1, 1, **{"asked.clock": "full"}), side(1, 1, **{"asked.clock": "900"})

    assert compare(before, after).asked == (("clock", "full", "900"),)


def test_seeds_that_only_one_has_are_left_out_and_said():
    found = compare(side(1.0, 2.0, 3.0), side(1.0, 2.0))

    assert found.seeds == (1, 2)
    assert "left out, as only one has them: 3" in seeds(found)
    assert "one seed gives no interval" in seeds(compare(side(1.0), side(1.0)))


def test_a_row_reads_as_people_write_it():
    found = row(compare(side(20e3, 30e3, 40e3), side(18e3, 27e3, 36e3)))

    assert cells(found) == (
        "energy of a run done, kJ", "30.00 ± 24.84", "27.00 ± 22.36", "-3.00 ± 2.48", "-10.0 %", "better",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (side(1.0), {9: result(9)}, "no seed in common: A has 1, B has 9; play both with the same --seed"),
        (
            side(1.0, work_sha256="x", **{"asked.rate": 0.02}),
            side(1.0, work_sha256="y", **{"asked.rate": 0.03}),
            r"seed 1: A and B did not have the same work \(rate 0.02 and 0.03\)",
        ),
        (side(1.0, work_sha256="x"), side(1.0, work_sha256="y"), "other runs or arrivals"),
        (
            side(1.0, work_sha256="x", trace_sha256="1"),
            side(1.0, work_sha256="y", trace_sha256="2"),
            "the trace files differ",
        ),
    ],
)
def test_unequal_work_is_refused(before, after, said):
    with pytest.raises(ResultError, match=said):
        compare(before, after)


def test_an_interval_is_students():
    found = interval([1.0, 2.0, 3.0, 4.0, 5.0])

    assert found.mean == 3
    assert found.half == pytest.approx(1.9632, abs=1e-3)
    assert interval([2.0]).half is None
    assert interval(list(range(36))).half == pytest.approx(3.585, abs=0.01)


def test_a_folder_holds_one_result_for_each_seed(tmp_path):
    for seed in (1, 2):
        results.write(tmp_path / f"seed-{seed}.json", result(seed))

    assert set(results.by_seed(tmp_path)) == {1, 2}
    assert set(results.by_seed(tmp_path / "seed-2.json")) == {2}
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param('{"seed": 1', "not JSON.*was its writer interrupted", id="cut off"),
        pytest.param(
            '{"mean_watts": 3}', "no result of a simulation: expected an object with seed", id="other JSON"
        ),
        pytest.param("[]", "no result of a simulation", id="no object"),
        pytest.param(json.dumps(result("one")), "seed 'one' is no whole number", id="a seed in words"),
    ],
)
def test_what_is_no_result_is_named(tmp_path, text, said):
    path = tmp_path / "x.json"
    path.write_text(text)

    with pytest.raises(ResultError, match=said):
        results.by_seed(path)


def test_folders_that_hold_no_variant_say_what_to_name(tmp_path):
    with pytest.raises(ResultError, match=r"no \*.json in this folder"):
        results.by_seed(tmp_path)
    results.write(tmp_path / "clock=full" / "seed-1.json", result())
    with pytest.raises(ResultError, match="name one of clock=full in it"):
        results.by_seed(tmp_path)
    results.write(tmp_path / "clock=full" / "again.json", result())
    with pytest.raises(ResultError, match=r"again\.json and seed-1.json both have seed 1"):
        results.by_seed(tmp_path / "clock=full")
    with pytest.raises(ResultError, match="cannot be read: No such file"):
        results.by_seed(tmp_path / "nothing.json")
