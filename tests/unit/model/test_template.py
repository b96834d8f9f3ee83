"""Templates are judged whole before anything runs, and filled with values that are never read as code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.model.template import Names, TemplateError, Values, problems, render

SCHEMA = {
    "type": "object",
    "properties": {
        "files": {"type": "array", "items": {"type": "object", "properties": {"path": {}}}},
        "open": {"type": "object"},
    },
}
NAMES = Names(frozenset({"issue", "repo-url"}), {"plan": SCHEMA, "note": None})
VALUES = Values(
    {"issue": "it's broken", "repo-url": "u"},
    {"plan": {"files": [{"path": "a.py"}], "open": {"n": 3}}, "note": "see {{ parameters.issue }}"},
)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        pytest.param("no holes { } }}", "no holes { } }}", id="plain text"),
        pytest.param("fix {{ parameters.issue }}.", "fix it's broken.", id="a parameter"),
        pytest.param(
            "{{parameters.repo-url}}{{\nsteps.note.answer\n}}", "usee {{ parameters.issue }}", id="text"
        ),
        pytest.param("{{ steps.plan.answer.files.0.path }}", "a.py", id="a field of an item"),
        pytest.param("{{ steps.plan.answer.open }}", '{"n": 3}', id="a part, as JSON"),
        pytest.param("{{ steps.plan.answer.open.n }}", "3", id="what the schema leaves open"),
        pytest.param('{{ "{{" }} x }}', "{{ x }}", id="braces"),
    ],
)
def test_a_template_without_problems_is_filled(text, filled):
    assert list(problems(text, NAMES)) == []
    assert render(text, VALUES) == filled


@pytest.mark.parametrize(
    ("text", "what"),
    [
        pytest.param(
            "{{ parameters.isue }}", "no parameter isue; parameters here: issue, repo-url", id="typo"
        ),
        pytest.param("{{ steps.test.answer }}", "no step test stands before this one", id="a later step"),
        pytest.param(
            "{{ steps.plan.answer.fils }}", "has no field fils; fields there: files, open", id="field"
        ),
        pytest.param("{{ steps.plan.answer.files.0.line }}", "has no field line", id="a field of an item"),
        pytest.param("{{ steps.note.answer.files }}", "is text and has no fields", id="a field of text"),
        pytest.param(
            "{{ steps.plan }}", "expected parameters.NAME or steps.STEP.answer", id="not the answer"
        ),
        pytest.param("{{ secrets.token }}", "expected parameters.NAME", id="something else"),
        pytest.param("{{ parameters.issue | upper }}", "a hole holds a name", id="a filter"),
        pytest.param("{{ ''.__class__ }}", "a hole holds a name", id="code"),
        pytest.param("{{ }}", "a hole holds a name", id="nothing"),
        pytest.param("{{ parameters.issue", "never closed", id="not closed"),
        pytest.param("{{ a {{ parameters.issue }}", "a hole holds a name", id="one in another"),
    ],
)
def test_what_cannot_be_filled_is_said_before_anything_runs(text, what):
    assert what in "\n".join(problems(text, NAMES))


def test_an_answer_without_a_field_that_its_schema_allows_is_an_error_of_the_step():
    with pytest.raises(TemplateError, match="the answer of plan has no path"):
        render("{{ steps.plan.answer.files.0.path }}", Values({}, {"plan": {"files": [{}]}}))


@given(st.text('{}" .abparmetersissueplan0\n'))
def test_whatever_has_no_problem_can_be_filled(text):
    if not list(problems(text, Names(frozenset({"issue"}), {"plan": None}))):
        render(text, Values({"issue": "x"}, {"plan": "y"}))
