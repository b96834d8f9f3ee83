"""Workflow: what runs use of their budgets."""

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards.frame import IN_NAMESPACE, choice, namespaces, page
from dashboards.panels import BLUE, GREEN, GREY, ORANGE, RED, Query, graph, number, rows

WORKFLOW = '{workflow=~"$workflow"}'


def build() -> Dashboard:
    """Return the dashboard."""
    made = page(
        "wattline-workflow",
        "Runs of workflows, what they use, and their budgets.",
        namespaces("wattline_workflow_runs", "workflow"),
        choice(
            "workflow",
            "Workflow",
            f"label_values(wattline_workflow_runs{{workflow{IN_NAMESPACE}}}, workflow)",
        ),
    )
    for panel in (
        number(
            "Runs under way",
            "Runs that named one of the workflows and have not ended.",
            "short",
            Query(f"sum(wattline_workflow_runs{WORKFLOW})"),
            width=6,
            steps=((None, BLUE),),
        ),
        number(
            "Runs per hour",
            "Runs that finished, by the hour, over the chosen time.",
            "short",
            Query(
                f"sum(rate(wattline_workflow_runs_finished_total{WORKFLOW}[$__range])) * 3600 or vector(0)"
            ),
            width=6,
            steps=((None, BLUE),),
        ),
        number(
            "Joules per run",
            "Energy of the runs that finished in the chosen time, divided by their number.",
            "joule",
            Query(
                f"sum(increase(wattline_workflow_run_energy_joules_sum{WORKFLOW}[$__range]))"
                f" / (sum(increase(wattline_workflow_run_energy_joules_count{WORKFLOW}[$__range])) > 0)"
            ),
            width=6,
            steps=((None, BLUE),),
        ),
        number(
            "Runs over budget",
            "Runs of the chosen time that used up their budget.",
            "short",
            Query(
                f"sum(increase(wattline_workflow_runs_over_budget_total{WORKFLOW}[$__range])) or vector(0)"
            ),
            width=6,
            steps=((None, GREEN), (0.5, ORANGE)),
        ),
    ):
        made = made.with_panel(panel)
    return (
        made.with_row(Row("Runs"))
        .with_panel(
            graph(
                "Runs under way, by workflow",
                "Runs that named the workflow and have not ended.",
                "short",
                Query(_sum("workflow", "wattline_workflow_runs"), "{{workflow}}"),
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "Runs per hour, by workflow",
                "Runs that finished.",
                "short",
                Query(_rate("workflow", "runs_finished_total", "1h") + " * 3600", "{{workflow}}"),
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "Workflows by phase",
                "How far the last runs are of workflows whose steps Wattline runs.",
                "short",
                Query(
                    f"sum by (phase) (max by (workflow, phase) (wattline_workflow_phase{WORKFLOW}))",
                    "{{phase}}",
                ),
            )
        )
        .with_panel(
            rows(
                "Conditions of workflows",
                "Whether they are accepted, complete and within their budget, and why.",
                (
                    "",
                    "short",
                    f"max by (workflow, type, status, reason) (wattline_workflow_condition{WORKFLOW})",
                ),
                by=("workflow", "type", "status", "reason"),
                width=12,
            )
        )
        .with_row(Row("Energy and tokens"))
        .with_panel(
            graph(
                "Watts of workflows",
                "Energy attributed to the runs of a workflow, by the second.",
                "watt",
                Query(_rate("workflow", "energy_joules_total"), "{{workflow}}"),
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "Watts of tenants",
                "The same, by whose runs they are.",
                "watt",
                Query(_rate("tenant", "energy_joules_total"), "{{tenant}}"),
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "Joules per run against the budget",
                "What finished runs used on average, what nine of ten stayed below, and the most that one may use.",
                "joule",
                Query(
                    f"{_rate('workflow', 'run_energy_joules_sum', '1h')}"
                    f" / ({_rate('workflow', 'run_energy_joules_count', '1h')} > 0)",
                    "{{workflow}}",
                ),
                Query(
                    f"histogram_quantile(0.9, {_rate('workflow, le', 'run_energy_joules_bucket', '1h')})",
                    "P90 {{workflow}}",
                    GREY,
                ),
                Query(
                    f"max by (workflow) (wattline_workflow_budget_joules{WORKFLOW})",
                    "budget {{workflow}}",
                    RED,
                    dashed=True,
                ),
            )
        )
        .with_panel(
            graph(
                "Tokens",
                "Tokens a second of turns that were answered.",
                "suffix: tok/s",
                Query(_rate("kind", "tokens_total"), "{{kind}}"),
            )
        )
        .with_row(Row("Budgets"))
        .with_panel(
            rows(
                "Budgets and use",
                "What one run of each workflow may use, and what its runs use.",
                ("Joules of a run, at most", "joule", _max("budget_joules")),
                ("Seconds of a run, at most", "s", _max("budget_seconds")),
                ("Runs under way", "short", _sum("workflow, tenant", "wattline_workflow_runs")),
                ("Watts now", "watt", _rate("workflow, tenant", "energy_joules_total", "5m")),
                by=("workflow", "tenant"),
                width=12,
            )
        )
        .with_panel(
            graph(
                "Runs over budget by the hour",
                "Runs that used up their budget, by what happened to them.",
                "short",
                Query(
                    f"sum by (workflow, action) (increase(wattline_workflow_runs_over_budget_total{WORKFLOW}[1h]))",
                    "{{workflow}} {{action}}",
                ),
            )
        )
    )


def _sum(labels: str, metric: str) -> str:
    return f"sum by ({labels}) ({metric}{WORKFLOW})"


def _max(name: str) -> str:
    return f"max by (workflow, tenant) (wattline_workflow_{name}{WORKFLOW})"


def _rate(labels: str, name: str, window: str = "$__rate_interval") -> str:
    return f"sum by ({labels}) (rate(wattline_workflow_{name}{WORKFLOW}[{window}]))"
