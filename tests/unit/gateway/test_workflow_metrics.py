"""What Prometheus learns of workflows: energy and tokens of their runs, against their budgets."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector
from tests.unit.gateway.test_workflows import NAME, workflow

from wattline.gateway.counts import Counts
from wattline.gateway.runs import Runs
from wattline.gateway.workflow_metrics import workflow_metrics
from wattline.gateway.workflows import Workflows

LABELS = f'{{tenant="web",workflow="{NAME}"}}'


class Scrape(Collector):
    def __init__(self, *parts):
        self.parts = parts

    def collect(self):
        return workflow_metrics(*self.parts)


def scraped(*parts):
    registry = CollectorRegistry()
    registry.register(Scrape(*parts))
    return set(generate_latest(registry).decode().splitlines())


def test_energy_of_runs_counts_for_the_workflow_they_named():
    workflows, runs, counts = Workflows(lambda *said: None), Runs(), Counts()
    workflows.declare([workflow(tenant="web", budget={"maxJoules": 400.0, "onExceeded": "Slow"})])
    workflows.bind(runs.run("r"), NAME, 0.0)
    runs.run("of no workflow")
    for run in ("r", "of no workflow"):
        runs.add_joules(run, 500.0)
    workflows.check(runs.run("r"), 1.0)
    counts.workflow_tokens[NAME, "completion"] += 7

    assert scraped(workflows, runs, counts) >= {
        f"wattline_workflow_runs{LABELS} 1.0",
        f"wattline_workflow_energy_joules_total{LABELS} 500.0",
        f"wattline_workflow_budget_joules{LABELS} 400.0",
        f'wattline_workflow_tokens_total{{kind="completion",tenant="web",workflow="{NAME}"}} 7.0',
        f'wattline_workflow_runs_over_budget_total{{action="Slow",tenant="web",workflow="{NAME}"}} 1.0',
    }


def test_a_workflow_without_a_budget_has_none_and_without_runs_says_zero():
    workflows = Workflows(lambda *said: None)
    workflows.declare([workflow(tenant="web")])
    lines = scraped(workflows, Runs(), Counts())

    assert f"wattline_workflow_runs{LABELS} 0.0" in lines
    assert not [line for line in lines if line.startswith("wattline_workflow_budget_")]
