"""The frame of the papers' studies: what counts as accepted, what a page shows, what an interruption costs."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from bench.papers import page
from bench.papers.kept import Kept
from bench.papers.machine import DiffersError, Machine, sources_of
from bench.papers.study import Carrier, Claim, Finding, Form, Kind, Paper, Study, Table
from bench.papers.takenover import TakenOver


def claim(**changed):
    fields = {"key": "saving", "says": "joules saved", "paper": "27 % [P abs]", "kind": Kind.EMERGENT}
    return Claim(**{**fields, "unit": "%", **changed})


@pytest.mark.parametrize(
    ("least", "most", "samples", "accepted"),
    [
        pytest.param(15, 35, (20.0, 30.0), True, id="a mean inside the band is accepted"),
        pytest.param(15, 35, (10.0, 12.0), False, id="a mean below the band is not"),
        pytest.param(None, 35, (-400.0,), True, id="a band without a lower end takes anything below"),
        pytest.param(15, None, (400.0,), True, id="a band without an upper end takes anything above"),
        pytest.param(15, 35, (15.0,), True, id="the end of a band belongs to it"),
    ],
)
def test_a_claim_is_judged_by_the_mean_of_the_seeds(least, most, samples, accepted):
    assert Finding(claim(least=least, most=most), samples).accepted is accepted


def test_the_interval_is_students():
    # t(0.975, 4) = 2.776, s = 1.5811, n = 5
    assert Finding(claim(), (1.0, 2.0, 3.0, 4.0, 5.0)).half_width == pytest.approx(1.963, abs=1e-3)


def test_one_seed_has_no_interval():
    assert Finding(claim(), (1.0,)).half_width is None


@dataclass(frozen=True)
class Case:
    folder: str
    number: int


def counted(case):
    """Leave a mark each time a case is computed; one with a negative number fails."""
    (Path(case.folder) / f"{case.number}").touch(exist_ok=False)
    if case.number < 0:
        raise ValueError("broken")
    return {"double": 2 * case.number}


def machine(tmp_path, code="c", earlier=""):
    return Machine(Form.CI, None, jobs=1, kept=tmp_path / "kept", code=code, earlier=earlier)


def test_a_study_goes_on_where_it_was_interrupted(tmp_path):
    cases = [Case(str(tmp_path), number) for number in (1, 2, -1)]
    with pytest.raises(ValueError, match="broken"):
        machine(tmp_path).each(counted, cases)
    # a case that is computed twice fails on its mark
    assert machine(tmp_path).each(counted, cases[:2]) == [{"double": 2}, {"double": 4}]


def test_other_code_computes_anew(tmp_path):
    case = Case(str(tmp_path), 3)
    machine(tmp_path).each(counted, [case])
    with pytest.raises(FileExistsError):
        machine(tmp_path, code="d").each(counted, [case])


@dataclass(frozen=True)
class Recorded:
    path: str


def length(case):
    return {"length": Path(case.path).stat().st_size}


def test_results_are_those_of_what_a_data_file_holds_wherever_it_lies(tmp_path):
    def told(folder, text):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "a.csv").write_text(text)
        bench = Machine(Form.CI, tmp_path / folder, jobs=1, kept=tmp_path / "kept", code="c")
        result = bench.each(length, [Recorded(str(bench.data("a.csv")))])
        return result, len(list((tmp_path / "kept").iterdir()))

    assert told("here", "one") == ([{"length": 3}], 1)
    assert told("there", "one") == ([{"length": 3}], 1)
    assert told("there", "other") == ([{"length": 5}], 2)


@dataclass(frozen=True)
class Sum:
    number: int


ADDED = {"each": 0}


def added(case):
    return {"sum": case.number + ADDED["each"]}


def test_results_of_an_earlier_code_are_taken_over_and_some_of_them_computed_again(tmp_path):
    cases = [Case(str(tmp_path), number) for number in range(200)]
    before = machine(tmp_path).each(counted, cases)
    for number in range(200):
        (tmp_path / f"{number}").unlink()
    later = machine(tmp_path, code="d", earlier="c")

    assert later.each(counted, cases) == before
    again = [number for number in range(200) if (tmp_path / f"{number}").exists()]
    assert 0 in again
    assert 3 <= len(again) <= 30
    assert later.taken_over == TakenOver("c", 200 - len(again), len(again))
    later.settle()
    # a case that is computed twice fails on its mark
    assert machine(tmp_path, code="d").each(counted, cases) == before


def test_what_the_earlier_code_did_not_compute_is_computed(tmp_path):
    machine(tmp_path).each(added, [Sum(1)])
    later = machine(tmp_path, code="d", earlier="c")
    assert later.each(added, [Sum(1), Sum(2)]) == [{"sum": 1}, {"sum": 2}]
    assert later.taken_over is None
    assert machine(tmp_path).taken_over is None


def test_a_change_of_results_is_found_and_keeps_nothing(tmp_path, monkeypatch):
    machine(tmp_path).each(added, [Sum(1), Sum(2)])
    monkeypatch.setitem(ADDED, "each", 5)
    with pytest.raises(DiffersError, match="without --earlier"):
        machine(tmp_path, code="d", earlier="c").each(added, [Sum(1), Sum(2)])
    assert machine(tmp_path, code="d").each(added, [Sum(1), Sum(2)]) == [{"sum": 6}, {"sum": 7}]


@pytest.mark.parametrize(
    ("study", "file", "within"),
    [
        pytest.param("kairos", "loops/desk.py", True, id="what is imported through several modules counts"),
        pytest.param("stabilisation", "policy/smooth.py", True, id="what is imported at once counts"),
        pytest.param("stabilisation", "stabilisation/training.py", True, id="a study's other modules count"),
        pytest.param("stabilisation", "papers/study.py", True, id="the frame that it imports counts"),
        pytest.param("stabilisation", "loops/desk.py", False, id="a module that it never imports does not"),
        pytest.param("stabilisation", "kairos/study.py", False, id="another study does not"),
    ],
)
def test_the_code_behind_a_result_is_what_its_study_imports(study, file, within):
    files = sources_of(f"bench.papers.{study}.study")
    assert any(path.as_posix().endswith(file) for path in files) is within


def test_a_data_file_that_is_absent_is_none_and_no_input(tmp_path):
    bench = machine(tmp_path)
    assert bench.data("traces/none.csv") is None
    assert bench.inputs == {}


def study(bench):
    return Study(
        "one box", "generated", "full clocks", (Finding(claim(least=15, most=35), (2.0,), "too small"),)
    )


def test_a_page_says_what_lies_outside_and_why():
    paper = Paper("kairos", "KAIROS", "Somebody, 2026.", ("wattline.policy.clock",), "Wired.", study)
    text = page.page([page.Result(paper, study(None), Form.CI, "c0de", {"traces/a.csv": "beef"})])
    assert "| joules saved | E | 27 % [P abs] | 2 % | 15 to 35 | no |" in text
    assert "* *joules saved*: too small" in text
    assert "proves nothing" in text
    assert "traces/a.csv `beef`" in text
    assert "| [KAIROS](#kairos) | ci | 0/1 | 0/1 | 1 |" in text


def test_a_kept_result_comes_back_whole_for_the_code_it_is_of(tmp_path):
    paper = Paper("kairos", "KAIROS", "Somebody, 2026.", (), "Wired.", study)
    tables = (Table("t", ("a", "b"), (("1", "2"),)),)
    told = replace(study(None), carried_by=(Carrier("load", "0.5 to 0.9", "nothing"),), tables=tables)
    full = page.Result(paper, told, Form.FULL, "c0de", {"traces/a.csv": "beef"}, TakenOver("01de", 40, 3))
    kept = Kept(tmp_path / "results")

    assert kept.read(paper, "c0de") is None
    kept.keep(full)
    assert kept.read(paper, "c0de") == full
    assert kept.read(paper, "other") is None
    assert "40 results of single cases are those of code `01de`; 3 others" in page.page([full])
