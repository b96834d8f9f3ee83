"""What the runs of workflows use of their budgets, for ``/metrics``."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from wattline.gateway.counts import Counts
from wattline.gateway.families import histogram
from wattline.gateway.runs import Runs
from wattline.gateway.workflows import Workflows


def workflow_metrics(workflows: Workflows, runs: Runs, counts: Counts) -> Iterator[Metric]:
    """Yield the families; labels are names of objects, so bounded."""
    labels = ["workflow", "tenant"]
    under_way = GaugeMetricFamily(
        "wattline_workflow_runs", "Runs of a workflow that are under way.", labels=labels
    )
    for name, number in workflows.runs().items():
        under_way.add_metric([name, workflows.tenant(name)], number)
    yield under_way
    finished = CounterMetricFamily(
        "wattline_workflow_runs_finished", "Runs of a workflow that are over.", labels=labels
    )
    for name, number in sorted(counts.workflow_runs_finished.items()):
        finished.add_metric([name, workflows.tenant(name)], number)
    yield finished
    energy = CounterMetricFamily(
        "wattline_workflow_energy_joules", "Energy attributed to the runs of a workflow.", labels=labels
    )
    for name, joules in sorted(runs.workflow_joules.items()):
        energy.add_metric([name, workflows.tenant(name)], joules)
    yield energy
    tokens = CounterMetricFamily(
        "wattline_workflow_tokens", "Tokens of the answered turns of a workflow.", labels=[*labels, "kind"]
    )
    for (name, kind), number in sorted(counts.workflow_tokens.items()):
        tokens.add_metric([name, workflows.tenant(name), kind], number)
    yield tokens
    yield histogram(
        "wattline_workflow_run_energy_joules",
        "Energy of a workflow's finished runs; counted once all of it is divided.",
        "workflow",
        counts.workflow_run_joules,
    )
    exceeded = CounterMetricFamily(
        "wattline_workflow_runs_over_budget",
        "Runs of a workflow that used up their budget, by what happened to them.",
        labels=[*labels, "action"],
    )
    zeros = {(name, budget.on_exceeded.value): 0 for name, budget in workflows.budgets().items()}
    for (name, action), number in sorted((zeros | workflows.exceeded).items()):
        exceeded.add_metric([name, workflows.tenant(name), action], number)
    yield exceeded
    most_joules = GaugeMetricFamily(
        "wattline_workflow_budget_joules",
        "The most joules that one run of a workflow may use.",
        labels=labels,
    )
    longest = GaugeMetricFamily(
        "wattline_workflow_budget_seconds", "The longest that one run of a workflow may last.", labels=labels
    )
    for name, budget in sorted(workflows.budgets().items()):
        for family, most in ((most_joules, budget.max_joules), (longest, budget.max_duration_seconds)):
            if most is not None:
                family.add_metric([name, workflows.tenant(name)], most)
    yield from (most_joules, longest)
