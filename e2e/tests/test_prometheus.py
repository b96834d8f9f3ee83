"""A real Prometheus scrapes the cluster: every panel of every dashboard shows something, and no rule is broken."""

import json
import re
import socket
import time
from collections.abc import Iterator

import pytest
import yaml

from harness.cluster import Cluster
from harness.command import run, wait_until
from harness.prometheus import PORTS, Prometheus, running
from harness.release import CHART, NAMESPACE, Release
from harness.settings import REPOSITORY
from harness.stage import SERVING_WATTS, Stage, external
from harness.traffic import Agents

VARIABLES = {"$__rate_interval": "30s", "$__range": "5m"}
PAGES = {path.stem: json.loads(path.read_text()) for path in sorted((CHART / "dashboards").glob("*.json"))}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, page in PAGES.items()
    for panel in page["panels"]
    if panel["type"] != "row"
]
TRAFFIC_SECONDS = 15.0
IN_AN_EMERGENCY = ',source="Emergency"'
SMALL = {"maxJoules": 1.0, "maxDurationSeconds": 3600.0, "onExceeded": "Warn"}


@pytest.fixture(scope="module")
def agents(serving: Stage) -> Agents:
    """Agents whose workflow has a small budget."""
    serving.apply(external("scraped", "web", budget=SMALL))
    agents = serving.agents("scraped")
    wait_until(lambda: agents.run("first", 1) == 1, "an agent is answered", every_seconds=0.5)
    return agents


@pytest.fixture(scope="module")
def scraped(
    cluster: Cluster, agents: Agents, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """A Prometheus with the chart's rules that has seen some traffic."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with running(
        cluster.provider.program("prometheus"),
        cluster.kubeconfig,
        tmp_path_factory.mktemp("prometheus"),
        namespace=NAMESPACE,
        rules=CHART / "rules",
        port=port,
        every_seconds=1,
    ) as made:
        wait_until(lambda: len(made.targets()) >= 4, "every part is found", timeout_seconds=30)
        began = time.monotonic()
        for batch in range(100):
            agents.runs([f"run-{batch}-{number}" for number in range(4)], turns=3)
            agents.ask(f"too-long-{batch}", [{"role": "user", "content": "x " * 4_000_000}])
            if time.monotonic() - began > TRAFFIC_SECONDS:
                break
        yield made


def test_the_chart_brings_dashboards_and_rules_as_they_are(cluster: Cluster) -> None:
    shown = Release(cluster).objects(
        "monitoring.dashboards.enabled=true",
        "monitoring.prometheusRules.enabled=true",
        "monitoring.podMonitors.enabled=true",
    )
    objects = [each for each in yaml.safe_load_all(shown) if each is not None]
    pages = {
        name.removeprefix("wattline-").removesuffix(".json"): json.loads(text)
        for each in objects
        if each["kind"] == "ConfigMap"
        for name, text in each["data"].items()
        if name.endswith(".json")
    }
    rules = {each["metadata"]["name"]: each["spec"] for each in objects if each["kind"] == "PrometheusRule"}
    monitors = [each for each in objects if each["kind"] == "PodMonitor"]

    assert pages == PAGES
    assert rules == {
        f"wattline-{path.stem}": yaml.safe_load(path.read_text()) for path in (CHART / "rules").glob("*.yaml")
    }
    assert {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: each["spec"]["podMetricsEndpoints"][0][
            "port"
        ]
        for each in monitors
    } == PORTS


def test_promtool_agrees_with_the_rules(cluster: Cluster) -> None:
    """The rules' own unit tests, which `make test` leaves out where promtool is not built yet."""
    promtool = cluster.provider.program("promtool")
    tests = sorted((REPOSITORY / "tests/unit/dashboards/rules").glob("*.yaml"))
    run([promtool, "check", "rules", *sorted((CHART / "rules").glob("*.yaml"))])
    run([promtool, "test", "rules", *tests])


def test_every_part_is_scraped(scraped: Prometheus) -> None:
    parts = {series["metric"]["container"] for series in scraped.query("up == 1")}

    assert set(scraped.targets().values()) == {"up"}
    assert parts == {"operator", "gateway", "agent"}


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_shows_something(scraped: Prometheus, panel: dict[str, object]) -> None:
    for target in panel["targets"]:
        expr = target["expr"]
        for variable, value in VARIABLES.items():
            expr = expr.replace(variable, value)
        expr = expr.replace(
            IN_AN_EMERGENCY, ""
        )  # the series are there, and have none of these values in quiet times
        expr = re.sub(r"\$(domain|pool|node|gpu|workflow)\b", ".+", expr)
        values = [float(series["value"][1]) for series in scraped.query(expr)]

        assert [value for value in values if value == value], f"no figures for {expr}"  # noqa: PLR0124 - NaN is none


@pytest.mark.parametrize(("name", "page"), PAGES.items())
def test_variables_find_their_choices(scraped: Prometheus, name: str, page: dict[str, object]) -> None:
    for variable in page["templating"]["list"]:
        if variable["type"] != "query":
            continue
        expr, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]).groups()
        expr = expr.replace("${namespace}", ".+").replace("$node", ".+")

        assert [series for series in scraped.query(expr) if series["metric"].get(label)], variable["name"]


def test_rules_are_evaluated_and_those_that_record_record_something(scraped: Prometheus) -> None:
    rules = scraped.rules()

    assert {rule["health"] for rule in rules} == {"ok"}
    assert not [
        rule["name"] for rule in rules if rule["type"] == "recording" and not scraped.query(rule["name"])
    ]


def test_no_alert_fires_but_the_one_for_the_small_budget(scraped: Prometheus) -> None:
    firing = {series["metric"]["alertname"] for series in scraped.query('ALERTS{alertstate="firing"}')}

    assert firing <= {"WattlineWorkflowRunsOverBudget"}


def test_watts_add_up_across_the_parts(scraped: Prometheus) -> None:
    """What the operator says a node draws is what its agent says the GPUs draw, a pass apart; and both fit the budget."""
    operator = float(scraped.query("avg_over_time(sum(wattline_node_draw_watts)[30s:1s])")[0]["value"][1])
    agent = float(
        scraped.query('avg_over_time(sum(wattline_agent_gpu_power_watts{mode="average"})[30s:1s])')[0][
            "value"
        ][1]
    )
    greatest = float(
        scraped.query("max_over_time(sum(domain:wattline_domain_draw_watts:sum)[30s:1s])")[0]["value"][1]
    )

    assert operator == pytest.approx(agent, rel=0.5)
    assert greatest <= SERVING_WATTS
