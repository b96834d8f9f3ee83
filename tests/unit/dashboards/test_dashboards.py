"""Every query of every dashboard asks for what the code exports, under legends that name labels it has."""

import json
import re

import pytest
from dashboards.__main__ import made
from dashboards.catalogue import catalogue, series
from dashboards.frame import PAGES
from dashboards.labels import labels

KNOWN = series()
FILES = {path.stem: json.loads(text) for path, text in made().items() if path.suffix == ".json"}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, page in FILES.items()
    for panel in page["panels"]
    if panel["type"] != "row"
]


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_asks_for_what_there_is(panel):
    assert panel["targets"]
    for target in panel["targets"]:
        there = labels(target["expr"], KNOWN)
        named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))

        assert named <= there, f"the legend names what {target['expr']} has not"


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_is_seen_and_in_which_unit(panel):
    assert panel["description"].endswith(".")
    assert panel["datasource"]["uid"] == "${datasource}"
    overrides = str(panel["fieldConfig"]["overrides"])
    assert (
        panel["fieldConfig"]["defaults"].get("unit")
        or panel["type"] == "state-timeline"
        or "'unit'" in overrides
    )


@pytest.mark.parametrize("panel", [each for each in PANELS if each.values[0]["type"] == "table"])
def test_the_columns_of_a_table_have_the_same_labels_so_that_rows_can_be_merged(panel):
    there = {labels(target["expr"], KNOWN) for target in panel["targets"]}

    assert len(there) == 1


@pytest.mark.parametrize(("name", "page"), FILES.items())
def test_variables_look_up_labels_that_there_are(name, page):
    for variable in page["templating"]["list"]:
        if variable["type"] == "query":
            expr, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]).groups()

            assert label in labels(expr, KNOWN)


@pytest.mark.parametrize(("name", "page"), FILES.items())
def test_a_dashboard_uses_the_variables_it_has_and_no_others(name, page):
    has = {variable["name"] for variable in page["templating"]["list"]}
    text = json.dumps([page["panels"], page["templating"], page["annotations"]])
    used = set(re.findall(r"\$\{?([a-z]\w*)", text)) - {
        "__rate_interval",
        "__range",
        "__value",
        "__url_time_range",
    }

    assert used == has


def test_dashboards_lead_to_each_other():
    pages = {page["uid"]: page for page in FILES.values()}

    assert pages.keys() == PAGES.keys()
    for uid, page in pages.items():
        assert {link["url"] for link in page["links"]} == {f"/d/{other}" for other in PAGES if other != uid}
    assert len({page["title"] for page in pages.values()}) == len(pages)


@pytest.mark.parametrize(("name", "page"), FILES.items())
def test_panels_have_titles_of_their_own_and_places_that_do_not_overlap(name, page):
    titles = [panel["title"] for panel in page["panels"]]
    taken = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in page["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]

    assert len(set(titles)) == len(titles)
    assert len(set(taken)) == len(taken)


UNITS = re.compile(r"_(watts|joules|celsius|seconds|ratio|hertz|tokens|turns)(_total)?$|_tokens_per_second$")


@pytest.mark.parametrize(
    "metric", [pytest.param(each, id=each.name) for part in catalogue().values() for each in part]
)
def test_names_say_unit_and_kind(metric):
    """Figures with a unit carry it; what has none is a state, a count of things, or a number by name."""
    assert metric.name.startswith("wattline_")
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.help.endswith(".")
    assert not re.search(r"_(mhz|mw|ms|kw|milliwatts)\b", metric.name)
    if re.search(r"watt(?!line)|joule|celsius|hertz|second", metric.name):
        assert UNITS.search(metric.name)
