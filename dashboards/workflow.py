"""Workflow: what runs use of their budgets."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dashboards.frame import IN_NAMESPACE, choice, filled, namespaces, page
from dashboards.panels import GREEN, GREY, ORANGE, RED, Panels, Query, graph, members, number, rows
from dashboards.queries import greatest, hourly_mean, mean, rate

WORKFLOW = '{workflow=~"$workflow"}'
RUN_JOULES = "wattline_workflow_run_energy_joules"


def build() -> Dashboard:
    """Return the dashboard."""
    board = page(
        "wattline-workflow",
        "Runs of workflows, what they use, and their budgets.",
        namespaces("wattline_workflow_runs", "workflow"),
        choice(
            "workflow",
            "Workflow",
            f"label_values(wattline_workflow_runs{{workflow{IN_NAMESPACE}}}, workflow)",
        ),
    )
    return filled(
        board, _numbers(), {"Runs": _runs(), "Energy and tokens": _energy_and_tokens(), "Budgets": _budgets()}
    )


def _numbers() -> Panels:
    return (
        number(
            "Runs under way",
            "Runs that named one of the workflows and have not ended.",
            "short",
            Query(f"sum(wattline_workflow_runs{WORKFLOW})"),
            width=6,
        ),
        number(
            "Runs per hour",
            "Runs that finished, by the hour, over the chosen time.",
            "short",
            Query(
                f"sum(rate(wattline_workflow_runs_finished_total{WORKFLOW}[$__range])) * 3600 or vector(0)"
            ),
            width=6,
        ),
        number(
            "Joules per run",
            "Energy of the runs that finished in the chosen time, divided by their number.",
            "joule",
            Query(mean(RUN_JOULES, WORKFLOW)),
            width=6,
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
    )


def _runs() -> Panels:
    return (
        graph(
            "Runs under way, by workflow",
            "Runs that named the workflow and have not ended.",
            "short",
            Query(_sum("workflow", "runs"), "{{workflow}}"),
            stacked=True,
        ),
        graph(
            "Runs per hour, by workflow",
            "Runs that finished.",
            "short",
            Query(_rate("workflow", "runs_finished_total", "1h") + " * 3600", "{{workflow}}"),
            stacked=True,
        ),
        graph(
            "Workflows by phase",
            "How far the last runs are of workflows whose steps Wattline runs.",
            "short",
            Query(f"sum by (phase) ({_max('workflow, phase', 'phase')})", "{{phase}}"),
        ),
        members(
            "Conditions of workflows",
            "Whether they are accepted, complete and within their budget, and why.",
            f"wattline_workflow_condition{WORKFLOW}",
            by=("workflow", "type", "status", "reason"),
        ),
    )


def _energy_and_tokens() -> Panels:
    return (
        graph(
            "Watts of workflows",
            "Energy attributed to the runs of a workflow, by the second.",
            "watt",
            Query(_rate("workflow", "energy_joules_total"), "{{workflow}}"),
            stacked=True,
        ),
        graph(
            "Watts of tenants",
            "The same, by whose runs they are.",
            "watt",
            Query(_rate("tenant", "energy_joules_total"), "{{tenant}}"),
            stacked=True,
        ),
        graph(
            "Joules per run against the budget",
            "What finished runs used on average, what nine of ten stayed below, and the most that one may use.",
            "joule",
            Query(hourly_mean("workflow", RUN_JOULES, WORKFLOW), "{{workflow}}"),
            Query(
                f"histogram_quantile(0.9, {_rate('workflow, le', 'run_energy_joules_bucket', '1h')})",
                "P90 {{workflow}}",
                GREY,
            ),
            Query(_max("workflow", "budget_joules"), "budget {{workflow}}", RED, dashed=True),
        ),
        graph(
            "Tokens",
            "Tokens a second of turns that were answered.",
            "suffix: tok/s",
            Query(_rate("kind", "tokens_total"), "{{kind}}"),
        ),
    )


def _budgets() -> Panels:
    return (
        rows(
            "Budgets and use",
            "What one run of each workflow may use, and what its runs use.",
            ("Joules of a run, at most", "joule", _max("workflow, tenant", "budget_joules")),
            ("Seconds of a run, at most", "s", _max("workflow, tenant", "budget_seconds")),
            ("Runs under way", "short", _sum("workflow, tenant", "runs")),
            ("Watts now", "watt", _rate("workflow, tenant", "energy_joules_total", "5m")),
            by=("workflow", "tenant"),
            width=12,
        ),
        graph(
            "Runs over budget by the hour",
            "Runs that used up their budget, by what happened to them.",
            "short",
            Query(
                f"sum by (workflow, action) (increase(wattline_workflow_runs_over_budget_total{WORKFLOW}[1h]))",
                "{{workflow}} {{action}}",
            ),
        ),
    )


def _sum(labels: str, name: str) -> str:
    return f"sum by ({labels}) (wattline_workflow_{name}{WORKFLOW})"


def _max(labels: str, name: str) -> str:
    return greatest(labels, f"wattline_workflow_{name}{WORKFLOW}")


def _rate(labels: str, name: str, window: str = "$__rate_interval") -> str:
    return rate(labels, f"wattline_workflow_{name}{WORKFLOW}", window)
