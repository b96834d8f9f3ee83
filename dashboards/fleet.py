"""Fleet: are the budgets kept, what is left, and what does a finished run cost."""

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards.frame import choice, page, to
from dashboards.panels import BLUE, GREEN, GREY, ORANGE, RED, YELLOW, Query, graph, number, rows, states

DOMAIN = '{domain=~"$domain"}'


def by(labels: str, metric: str, how: str = "max") -> str:
    """Return a metric as one series for each value of its labels, whichever process told it."""
    return f"{how} by ({labels}) ({metric})"


def build() -> Dashboard:
    """Return the dashboard."""
    domain = choice("domain", "Domain", "label_values(wattline_domain_info, domain)")
    budget, may, draw, beside = (
        by("domain", f"wattline_domain_{name}_watts{DOMAIN}")
        for name in ("budget", "may_draw", "draw", "beside")
    )
    made = page(
        "wattline-fleet",
        "Watts and may-draw against budgets, headroom, and what a finished run costs.",
        domain,
    )
    for panel in (
        number(
            "Least headroom",
            "The smallest distance between what a domain may draw and its budget.",
            "watt",
            Query(f"min({budget} - {may})"),
            steps=((None, RED), (-0.5, GREEN)),
        ),
        number(
            "Domains not enforced",
            "Enforced domains whose promise does not hold now; nothing is raised in them meanwhile.",
            "short",
            Query(
                'count(max by (domain) (wattline_domain_condition{domain=~"$domain",type="Enforced",status="False",'
                'reason!="Observing"})) or vector(0)'
            ),
            steps=((None, GREEN), (1, ORANGE)),
        ),
        number(
            "Agents away",
            "Nodes whose agent does not answer; they count at the most they may draw.",
            "short",
            Query("count(max by (node) (wattline_node_agent_up) == 0) or vector(0)"),
            steps=((None, GREEN), (1, RED)),
        ),
        number(
            "Joules per finished run",
            "Attributed energy of the runs that finished in the chosen time, divided by their number.",
            "joule",
            Query(
                "sum(increase(wattline_gateway_run_energy_joules_sum[$__range]))"
                " / (sum(increase(wattline_gateway_run_energy_joules_count[$__range])) > 0)"
            ),
            steps=((None, BLUE),),
        ),
        number(
            "Runs per hour",
            "Runs that finished, by the hour, over the chosen time.",
            "short",
            Query("sum(rate(wattline_gateway_runs_finished_total[$__range])) * 3600"),
            steps=((None, BLUE),),
        ),
        number(
            "Leaders",
            "Operators that act; one is right, none means that orders run out when their leases end.",
            "short",
            Query("sum(wattline_operator_leading) or vector(0)"),
            steps=((None, RED), (1, GREEN), (2, RED)),
        ),
    ):
        made = made.with_panel(panel)
    return (
        made.with_row(Row("Watts against budgets"))
        .with_panel(
            graph(
                "Watts of $domain",
                "What the domain may draw stays below its budget while it is enforced; the draw has overheads of nodes"
                " and reserved watts added, which count against the same budget.",
                "watt",
                Query(budget, "budget {{domain}}", RED, dashed=True),
                Query(may, "may draw {{domain}}", ORANGE),
                Query(f"{draw} + {beside}", "draw {{domain}}", BLUE),
                width=24,
            )
            .repeat("domain")
            .repeat_direction("h")
            .max_per_row(2)
        )
        .with_panel(
            graph(
                "Headroom",
                "Budget less what the domain may draw. Below zero the promise does not hold, and the table says why.",
                "watt",
                Query(f"{budget} - {may}", "{{domain}}"),
                low=None,
                steps=((None, RED), (-0.5, "transparent")),
            )
        )
        .with_panel(
            graph(
                "Where the watts go",
                "Power of the GPUs by what it is spent on: runs of agents, standing idle, or work that did not come"
                " through the gateway.",
                "watt",
                Query(
                    "sum by (bucket) (rate(wattline_gateway_energy_joules_total[$__rate_interval]))",
                    "{{bucket}}",
                ),
                stacked=True,
            )
        )
        .with_panel(
            rows(
                "Domains",
                "Budgets, and whether their promise holds.",
                ("Budget", "watt", _told(budget)),
                ("May draw", "watt", _told(may)),
                ("Draw of GPUs", "watt", _told(draw)),
                ("Beside GPUs", "watt", _told(beside)),
                ("Headroom", "watt", _told(f"({budget} - {may})")),
                by=("domain", "status", "reason"),
                steps={"Headroom": ((None, RED), (-0.5, GREEN))},
            )
        )
        .with_row(Row("Work"))
        .with_panel(
            graph(
                "Joules per finished run, by pool",
                "Attributed energy of runs that finished, divided by their number, by the pool of their last turn.",
                "joule",
                Query(
                    "sum by (pool) (rate(wattline_gateway_run_energy_joules_sum[1h]))"
                    " / (sum by (pool) (rate(wattline_gateway_run_energy_joules_count[1h])) > 0)",
                    "{{pool}}",
                ),
            )
        )
        .with_panel(
            graph(
                "Runs per hour, by pool",
                "Runs that finished, by the pool of their last turn; a client that never says so counts after hours of"
                " silence.",
                "short",
                Query("sum by (pool) (rate(wattline_gateway_runs_finished_total[1h])) * 3600", "{{pool}}"),
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "Refusals by reason",
                "Requests a second that were refused.",
                "reqps",
                Query(
                    "sum by (reason) (rate(wattline_gateway_refusals_total[$__rate_interval]))", "{{reason}}"
                ),
            )
        )
        .with_panel(
            rows(
                "Pools",
                "Replicas and watts of every pool; its name leads to its own page.",
                ("Replicas", "short", by("pool", "wattline_pool_replicas")),
                ("Ready", "short", by("pool", "wattline_pool_ready_replicas")),
                ("Draw", "watt", by("pool", "wattline_pool_draw_watts")),
                ("Cap", "watt", by("pool", "wattline_pool_cap_watts")),
                by=("pool",),
                links={"pool": ("Show the pool", to("wattline-pool", "pool"))},
                width=12,
            )
        )
        .with_row(Row("Nodes and the loop"))
        .with_panel(
            rows(
                "Nodes",
                "Orders and draws of every node; its name leads to its own page.",
                ("Budget", "watt", by("node", "wattline_node_budget_watts")),
                ("May draw", "watt", by("node", "wattline_node_may_draw_watts")),
                ("Draw", "watt", by("node", "wattline_node_draw_watts")),
                ("Agent up", "short", by("node", "wattline_node_agent_up")),
                ("Acknowledged", "short", by("node", "wattline_node_acknowledged")),
                by=("node",),
                links={"node": ("Show the node", to("wattline-node", "node"))},
                steps={"Agent up": ((None, RED), (1, GREEN)), "Acknowledged": ((None, YELLOW), (1, GREEN))},
                width=12,
            )
        )
        .with_panel(
            states(
                "Agents",
                "Whether the agent of each node answers the operator.",
                Query(by("node", "wattline_node_agent_up"), "{{node}}"),
                ((None, RED), (1, GREEN)),
                {"0": "away", "1": "answers"},
            )
        )
        .with_panel(
            graph(
                "Age of the last pass",
                "The loop passes every 15 seconds; leases are renewed by whole passes and end after 60.",
                "s",
                Query("min(wattline_operator_pass_age_seconds)", "age"),
                Query("max(wattline_operator_pass_duration_seconds)", "duration", GREY),
                steps=((None, "transparent"), (60, RED)),
            )
        )
        .with_panel(
            graph(
                "Passes by the minute",
                "An abandoned pass changes nothing and renews nothing; the operator's log says why.",
                "short",
                Query(
                    "sum by (result) (rate(wattline_operator_passes_total[$__rate_interval])) * 60",
                    "{{result}}",
                ),
            )
        )
    )


def _told(watts: str) -> str:
    """Return watts with the state and the reason of the domain's promise as labels."""
    return (
        f"{watts} * on (domain) group_left (status, reason)"
        f' max by (domain, status, reason) (wattline_domain_condition{{domain=~"$domain",type="Enforced"}})'
    )
