"""A sweep keeps every answer, goes on where it was, and plays again what has changed."""

import csv
import io
from dataclasses import replace

import pytest
from tests.fakes.ray import Ray
from tests.unit.study.questions import fleet, question

from wattline.sim.scenario import ScenarioError
from wattline.study import results, sweep
from wattline.study.answer import answer
from wattline.study.results import ResultError
from wattline.study.workers import Failed, WorkersError, attempt, on_cores, on_ray


def here(questions):
    """Play in this process, the last question first."""
    for index, asked in reversed(list(enumerate(questions))):
        yield index, attempt(asked)


def grid(folder, clocks=("full", "900"), seeds=(1, 2), **more):
    asked = [
        ((("clock", clock),), question(clock=clock, seed=seed, **more)) for clock in clocks for seed in seeds
    ]
    return sweep.cells(folder, asked)


def test_every_answer_is_a_file_that_says_what_was_asked(tmp_path):
    cells = grid(tmp_path)
    ended = list(sweep.play(cells, here))

    assert [each.problem for each in ended] == [""] * 4
    one = results.read(tmp_path / "clock=900" / "seed-2.json")
    assert (one["asked.clock"], one["asked.seed"], one["seed"]) == ("900", 2, 2)
    assert one["question_sha256"] == cells[3].key
    assert one == answer(cells[3].question).flat()


def test_a_stopped_sweep_goes_on_where_it_was(tmp_path):
    cells = grid(tmp_path)
    next(sweep.play(cells, here))

    assert [cell.kept() is not None for cell in cells] == [False, False, False, True]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"hours": 0.03}, id="another horizon"),
        pytest.param({"fleet": fleet(watts=500.0)}, id="another budget"),
        pytest.param({"rate": 0.06}, id="another rate"),
    ],
)
def test_what_was_asked_otherwise_is_played_again(tmp_path, changes):
    list(sweep.play(grid(tmp_path, clocks=("full",), seeds=(1,)), here))

    (cell,) = grid(tmp_path, clocks=("full",), seeds=(1,), **changes)
    assert cell.kept() is None
    (same,) = grid(tmp_path, clocks=("full",), seeds=(1,), origin="another name of the same")
    assert same.kept() is not None


def test_a_trace_is_known_by_what_is_in_it(tmp_path):
    asked = question(trace=tmp_path / "trace.csv")
    (tmp_path / "trace.csv").write_text("one")
    (tmp_path / "copy.csv").write_text("one")
    (tmp_path / "other.csv").write_text("two")

    assert asked.key() == replace(asked, trace=tmp_path / "copy.csv").key()
    assert asked.key() != replace(asked, trace=tmp_path / "other.csv").key()


def test_an_answer_cut_off_half_way_is_played_again(tmp_path):
    (cell,) = grid(tmp_path, clocks=("full",), seeds=(1,))
    cell.path.parent.mkdir()
    cell.path.write_text('{"seed": 1, ')

    assert cell.kept() is None


def test_the_same_seed_is_the_same_work_for_every_variant(tmp_path):
    ended = list(sweep.play(grid(tmp_path), here))
    work = {(each.cell.varied, each.cell.question.seed): each.result["work_sha256"] for each in ended}

    assert work[(("clock", "full"),), 1] == work[(("clock", "900"),), 1]
    assert work[(("clock", "full"),), 1] != work[(("clock", "full"),), 2]


def test_tables_hold_every_seed_and_every_figure(tmp_path):
    cells = grid(tmp_path)
    ended = {each.cell.path: each for each in sweep.play(cells, here)}
    made = sweep.variants(ended[cell.path] for cell in cells)
    rows = list(csv.DictReader(io.StringIO(sweep.table(made))))

    assert [(row["clock"], row["seed"]) for row in rows] == [
        ("full", "1"),
        ("full", "2"),
        ("900", "1"),
        ("900", "2"),
    ]
    assert float(rows[0]["mean_watts"]) == made[0].results[0]["mean_watts"]
    whole = sweep.whole(made)
    assert [each["variant"] for each in whole] == ["clock=full", "clock=900"]
    assert whole[0]["mean"]["mean_watts"]["mean"] == made[0].of("mean_watts").mean
    assert made[0].of("no such figure") is None


@pytest.mark.parametrize(
    ("works", "pair"),
    [
        pytest.param([{1: "w"}, {1: "w"}, {1: "w"}], ("0", "2"), id="the first and the last"),
        pytest.param([{1: "w"}, {1: "w"}, {1: "v"}], ("0", "1"), id="the last of the same work"),
        pytest.param([{1: "u"}, {1: "w"}, {1: "w"}], ("1", "2"), id="where the first is alone, the next"),
        pytest.param([{1: "w", 2: "x"}, {2: "x"}], ("0", "1"), id="by the seeds that both have"),
        pytest.param([{1: "w", 2: "x"}, {1: "w", 2: "y"}], None, id="under every seed"),
        pytest.param([{1: "w"}, {2: "w"}], None, id="no seed that both have"),
        pytest.param([{1: "w"}], None, id="alone"),
        pytest.param([{}, {}], None, id="no answers"),
    ],
)
def test_two_variants_are_comparable_that_had_the_same_work(works, pair):
    made = [
        sweep.Variant(
            (("v", str(index)),), tuple({"seed": seed, "work_sha256": work} for seed, work in each.items())
        )
        for index, each in enumerate(works)
    ]
    found = sweep.comparable(made)

    assert (found and tuple(variant.varied[0][1] for variant in found)) == pair


def test_a_cell_that_fails_does_not_stop_the_others(tmp_path):
    asked = [((("at", str(hours)),), question(hours=hours, trace=trace)) for hours, trace in
             ((0.01, None), (0.02, tmp_path))]  # fmt: skip
    cells = sweep.cells(tmp_path / "out", asked)
    ended = list(sweep.play(cells, here))

    assert [each.result is None for each in ended] == [True, False]
    assert "no trace in this folder" in ended[0].problem


def test_a_question_that_cannot_be_asked_is_refused_before_any_is_played(tmp_path):
    with pytest.raises(ScenarioError, match="no engine model of nobody/knows"):
        grid(tmp_path, fleet=fleet(model="nobody/knows"))
    with pytest.raises(ScenarioError, match="clock: 99999 MHz is not a clock of h100-nvl"):
        grid(tmp_path, clocks=("99999",))


def test_two_variants_of_one_name_are_refused(tmp_path):
    with pytest.raises(ResultError, match="two variants are called clock=full; give every value once"):
        grid(tmp_path, clocks=("full", "full"))


def test_a_variant_is_named_so_that_it_can_be_a_folder():
    assert sweep.name_of(()) == "all"
    assert sweep.name_of((("pool", "agents/coder"), ("rate", "0.1"))) == "pool=agents_coder,rate=0.1"


def figures(answers):
    """Return answers without the hashes of the code, which somebody may be writing at this moment."""
    code = {"code_sha256", "question_sha256"}
    return {index: {name: result[name] for name in result if name not in code} for index, result in answers}


def test_cores_give_the_same_answers_as_one_process():
    asked = [question(seed=1), question(seed=2)]

    assert figures(on_cores(asked, jobs=2)) == figures(here(asked))


def test_ray_gives_the_same_answers_with_few_waiting_at_once():
    ray, asked = Ray(), [question(seed=seed, hours=0.01) for seed in range(1, 6)]

    assert figures(on_ray(asked, ray, "ray://head:10001")) == figures(here(asked))
    assert ray.address == "ray://head:10001"
    assert ray.most == 2


def test_a_worker_of_ray_that_dies_costs_its_cell_alone():
    asked = [question(seed=seed, hours=0.01) for seed in (1, 2, 3)]
    got = dict(on_ray(asked, Ray(dying={1}), ""))

    assert got[1] == Failed("Ray: RuntimeError: the worker died")
    assert not isinstance(got[0], Failed)
    assert not isinstance(got[2], Failed)


def test_a_ray_cluster_that_is_not_there_is_said():
    with pytest.raises(WorkersError, match=r"no Ray cluster at ray://head.*ray start --head"):
        list(on_ray([question()], Ray(reachable=False), "ray://head"))
