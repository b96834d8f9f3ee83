"""Every rule asks for what the code exports, says so in words, and leads to a paragraph that says what to do."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from dashboards.catalogue import series
from dashboards.labels import labels
from dashboards.promtool import promtool

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "charts/wattline/rules").glob("*.yaml"))
TESTS = sorted((Path(__file__).parent / "rules").glob("*.yaml"))
RULES = [
    rule for path in FILES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]
]
RECORDED = [rule for rule in RULES if "record" in rule]
ALERTS = [pytest.param(rule, id=rule["alert"]) for rule in RULES if "alert" in rule]


def known():
    """What is exported, and what is recorded from it."""
    exported = series()
    return exported | {rule["record"]: labels(rule["expr"], exported) for rule in RECORDED}


KNOWN = known()


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule["record"]) for rule in RECORDED])
def test_the_name_of_a_recorded_figure_says_its_level(rule):
    level, metric, operation = rule["record"].split(":")
    level = {"node_gpu": ("node", "gpu_uuid"), "pool_replica": ("pool", "replica")}.get(level, (level,))

    assert set(level) <= KNOWN[rule["record"]]
    assert metric.startswith("wattline_")
    assert operation


@pytest.mark.parametrize("rule", ALERTS)
def test_an_alert_asks_for_what_there_is_and_names_labels_it_has(rule):
    there = labels(rule["expr"], KNOWN)
    words = " ".join(rule["annotations"].values())

    assert set(re.findall(r"\$labels\.(\w+)", words)) <= there
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}


@pytest.mark.parametrize("rule", ALERTS)
def test_an_alert_has_its_paragraph(rule):
    page = (ROOT / "docs/how-to/alerts.md").read_text()

    assert rule["annotations"]["runbook_url"].endswith(f"/how-to/alerts#{rule['alert'].lower()}")
    assert f"\n### {rule['alert']}\n" in page


def test_no_paragraph_is_left_of_an_alert_that_is_gone():
    titles = re.findall(r"^### (Wattline\w+)$", (ROOT / "docs/how-to/alerts.md").read_text(), re.MULTILINE)

    assert sorted(titles) == sorted(param.id for param in ALERTS)


@pytest.mark.parametrize("rule", ALERTS)
def test_an_alert_has_a_test_in_which_it_fires(rule):
    assert any(f'alertname="{rule["alert"]}"' in path.read_text() for path in TESTS)


def test_promtool_agrees():
    """The unit tests of the rules; the tool is there once the end-to-end tests have been set up."""
    tool = promtool()
    if tool is None:
        pytest.skip("promtool is not built yet; `make e2e` builds it, and runs this")
    for command in (["check", "rules", *FILES], ["test", "rules", *TESTS]):
        done = subprocess.run([tool, *command], capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stdout + done.stderr
