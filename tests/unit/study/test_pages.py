"""Pages need nothing else, say that they are simulated, and hold what was asked."""

import re
from dataclasses import replace

import pytest
from tests.unit.study.questions import MODEL, fleet, question

from wattline.api.base import Metadata
from wattline.api.modelprofile import ModelProfile, ModelProfileSpec
from wattline.sim.mix import Source
from wattline.study import answerpage, asked, comparepage, sweeppage
from wattline.study.answer import answer
from wattline.study.compare import compare
from wattline.study.meaning import sentences
from wattline.study.shown import share, span, watts
from wattline.study.sweep import Variant
from wattline.world.engines import ENGINES
from wattline.world.profiled import engine_profile


@pytest.fixture(scope="module")
def got():
    return answer(question(rate=0.08, hours=0.05, what_if=("--budget box=<560>",), series_seconds=5.0))


@pytest.fixture(scope="module")
def slow():
    return answer(question(rate=0.08, hours=0.05, clock="600"))


@pytest.fixture(scope="module")
def pages(got, slow):
    made = [
        Variant((("clock", "full"),), (got.flat(), got.flat() | {"seed": 1})),
        Variant((("clock", "600"),), (slow.flat(), slow.flat() | {"seed": 1})),
    ]
    both = compare({0: got.flat()}, {0: slow.flat()})
    return {
        "answer": answerpage.page(got),
        "comparison": comparepage.page(both, "full/", "slow/"),
        "sweep": sweeppage.page(made, "a box"),
    }


@pytest.mark.parametrize("name", ["answer", "comparison", "sweep"])
def test_a_page_needs_nothing_else_and_is_labelled(pages, name):
    page = pages[name]

    assert page.startswith("<!DOCTYPE html>")
    assert "ot a hardware result" in page
    assert page.count("<svg") >= 1
    assert "<script" not in page
    outside = re.findall(r'(?:src|href)="(?!#)([^"]+)"', page)
    assert outside == []


def test_the_page_of_an_answer_holds_the_question_the_figures_and_where_they_are_from(pages, got):
    page = pages["answer"]

    for text in (
        "--budget box=&lt;560&gt;",
        "Draw of GPUs by domain, kW",
        "Mean clock of working GPUs, MHz",
        "Hottest GPU, °C",
        "Resident tokens, % of KV memory",
        "Turns held at the gateway",
        "First token, s after a turn",
        "Run time, s",
        "Tokens/s per agent",
        "wattline_gateway_first_byte_seconds",
        got.hashes["work_sha256"],
        got.hashes["code_sha256"],
        "seed 0",
    ):
        assert text in page, text


def test_the_same_answer_makes_the_same_bytes(got):
    assert answerpage.page(got) == answerpage.page(got)


def test_without_a_recording_the_page_has_its_tables(slow):
    page = answerpage.page(slow)

    assert "<svg" not in page
    assert "Power domains" in page


def test_budgets_and_objectives_are_put_into_words():
    free = answer(question(rate=0.08, hours=0.05, fleet=fleet(watts=300.0)))
    said = [each.text for each in sentences(free) if each.alarming]
    assert any(
        re.match(r"box draws more than its 300 W for .* at most; try --cap wattline", text) for text in said
    )

    held = answer(replace(free.question, cap="wattline", fleet=fleet(watts=560.0)))
    said = [each.text for each in sentences(held) if not each.alarming]
    assert any(text.startswith("box never draws more than its 560 W: ") for text in said)
    assert any("coder keeps its objective" in text for text in said)


def test_an_objective_that_is_missed_comes_first_and_names_what_helps():
    crowded = answer(question(rate=0.5, hours=0.03, clock="345"))
    first = sentences(crowded)[0]

    assert first.alarming
    assert "coder misses its objective" in first.text
    assert first.text.endswith("more replicas, a lower --rate or a higher --clock help")


def test_figures_of_a_few_runs_are_said_to_be_that():
    few = answer(question(rate=0.02, hours=0.03))
    many = replace(few, report=replace(few.report, pools=(replace(few.report.pools[0], runs_offered=20),)))

    assert any(re.match(r"only \d runs? came to coder", each.text) for each in sentences(few))
    assert not any("only" in each.text for each in sentences(many))


def test_no_token_at_all_is_no_rate():
    calm = answer(question())
    none = replace(calm.report.pools[0], tokens_per_second_per_agent_p5=0.0)
    said = [each.text for each in sentences(replace(calm, report=replace(calm.report, pools=(none,))))]

    assert any("5 of 100 agent windows get no token at all (20 tok/s asked)" in text for text in said)


@pytest.mark.parametrize(
    ("product", "said"),
    [("h100-nvl", "measured: coder"), ("h100", f"measured: not played, no pool has {MODEL} on 1 h100-nvl")],
)
def test_which_pool_a_profile_is_the_engine_of_is_said(got, product, said):
    physics = ENGINES[MODEL, "h100-nvl", 1]
    spec = ModelProfileSpec(model=MODEL, product="h100-nvl", gpus=1, engine=engine_profile(physics))
    profile = ModelProfile(metadata=Metadata(name="measured"), spec=spec)
    asks = question(fleet=replace(fleet(), profiles=(profile,)), product=product)

    assert dict(asked.lines(replace(got, question=asks)))["profile"] == said


def test_each_trace_of_a_mix_is_said_with_its_part_of_the_rate():
    mixed = (Source(name="a", weight=3), Source(name="b"), Source(name="c", rate_per_second=0.1))
    said = dict(asked.lines(replace(answer(question()), question=question(parts=mixed, rate=0.4))))

    assert "Poisson, 3/4 of 0.4 runs/s" in said["agents"]
    assert "Poisson, 1/4 of 0.4 runs/s" in said["agents"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (watts(412.4), "412 W"), (watts(3300), "3.30 kW"), (watts(1.25e6), "1.250 MW"),
        (span(71), "71 s"), (span(600), "10 min"), (span(7200), "2.0 h"),
        (share(3, 1000), "0.3 %"), (share(1, 3), "33 %"), (share(0, 10), "0 %"), (share(1, 0), "0 %"),
    ],
)  # fmt: skip
def test_figures_are_written_as_people_read_them(text, wanted):
    assert text == wanted
