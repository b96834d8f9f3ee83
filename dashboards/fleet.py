"""Fleet: are the budgets kept, what is left, and what does a finished run cost."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dashboards.frame import choice, filled, page, to
from dashboards.panels import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PRESENT,
    RED,
    YELLOW,
    Panels,
    Query,
    graph,
    number,
    rows,
    states,
)
from dashboards.queries import GATEWAY_JOULES, greatest, hourly_mean, mean, rate

DOMAIN = '{domain=~"$domain"}'

BUDGET, MAY_DRAW, DRAW, BESIDE = (
    greatest("domain", f"wattline_domain_{name}_watts{DOMAIN}")
    for name in ("budget", "may_draw", "draw", "beside")
)


def build() -> Dashboard:
    """Return the dashboard."""
    board = page(
        "wattline-fleet",
        "Watts and may-draw against budgets, headroom, and what a finished run costs.",
        choice("domain", "Domain", "label_values(wattline_domain_info, domain)"),
    )
    return filled(
        board,
        _numbers(),
        {
            "Watts against budgets": _watts_against_budgets(),
            "Work": _work(),
            "Nodes and the loop": _nodes_and_the_loop(),
        },
    )


def _numbers() -> Panels:
    return (
        number(
            "Least headroom",
            "The smallest distance between what a domain may draw and its budget.",
            "watt",
            Query(f"min({BUDGET} - {MAY_DRAW})"),
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
            Query(mean(GATEWAY_JOULES)),
        ),
        number(
            "Runs per hour",
            "Runs that finished, by the hour, over the chosen time.",
            "short",
            Query("sum(rate(wattline_gateway_runs_finished_total[$__range])) * 3600"),
        ),
        number(
            "Leaders",
            "Operators that act; one is right, none means that orders run out when their leases end.",
            "short",
            Query("sum(wattline_operator_leading) or vector(0)"),
            steps=((None, RED), (1, GREEN), (2, RED)),
        ),
    )


def _watts_against_budgets() -> Panels:
    return (
        graph(
            "Watts of $domain",
            "What the domain may draw stays below its budget while it is enforced; the draw has overheads of nodes"
            " and reserved watts added, which count against the same budget.",
            "watt",
            Query(BUDGET, "budget {{domain}}", RED, dashed=True),
            Query(MAY_DRAW, "may draw {{domain}}", ORANGE),
            Query(f"{DRAW} + {BESIDE}", "draw {{domain}}", BLUE),
            width=24,
        )
        .repeat("domain")
        .repeat_direction("h")
        .max_per_row(2),
        graph(
            "Headroom",
            "Budget less what the domain may draw. Below zero the promise does not hold, and the table says why.",
            "watt",
            Query(f"{BUDGET} - {MAY_DRAW}", "{{domain}}"),
            low=None,
            steps=((None, RED), (-0.5, "transparent")),
        ),
        graph(
            "Where the watts go",
            "Power of the GPUs by what it is spent on: runs of agents, standing idle, or work that did not come"
            " through the gateway.",
            "watt",
            Query(rate("bucket", "wattline_gateway_energy_joules_total"), "{{bucket}}"),
            stacked=True,
        ),
        rows(
            "Domains",
            "Budgets, and whether their promise holds.",
            ("Budget", "watt", _told(BUDGET)),
            ("May draw", "watt", _told(MAY_DRAW)),
            ("Draw of GPUs", "watt", _told(DRAW)),
            ("Beside GPUs", "watt", _told(BESIDE)),
            ("Headroom", "watt", _told(f"({BUDGET} - {MAY_DRAW})")),
            by=("domain", "status", "reason"),
            steps={"Headroom": ((None, RED), (-0.5, GREEN))},
        ),
    )


def _work() -> Panels:
    return (
        graph(
            "Joules per finished run, by pool",
            "Attributed energy of runs that finished, divided by their number, by the pool of their last turn.",
            "joule",
            Query(hourly_mean("pool", GATEWAY_JOULES), "{{pool}}"),
        ),
        graph(
            "Runs per hour, by pool",
            "Runs that finished, by the pool of their last turn; a client that never says so counts after hours of"
            " silence.",
            "short",
            Query(rate("pool", "wattline_gateway_runs_finished_total", "1h") + " * 3600", "{{pool}}"),
            stacked=True,
        ),
        graph(
            "Refusals by reason",
            "Requests a second that were refused.",
            "reqps",
            Query(rate("reason", "wattline_gateway_refusals_total"), "{{reason}}"),
        ),
        rows(
            "Pools",
            "Replicas and watts of every pool; its name leads to its own page.",
            ("Replicas", "short", greatest("pool", "wattline_pool_replicas")),
            ("Ready", "short", greatest("pool", "wattline_pool_ready_replicas")),
            ("Draw", "watt", greatest("pool", "wattline_pool_draw_watts")),
            ("Cap", "watt", greatest("pool", "wattline_pool_cap_watts")),
            by=("pool",),
            links={"pool": ("Show the pool", to("wattline-pool", "pool"))},
            width=12,
        ),
    )


def _nodes_and_the_loop() -> Panels:
    return (
        rows(
            "Nodes",
            "Orders and draws of every node; its name leads to its own page.",
            ("Budget", "watt", greatest("node", "wattline_node_budget_watts")),
            ("May draw", "watt", greatest("node", "wattline_node_may_draw_watts")),
            ("Draw", "watt", greatest("node", "wattline_node_draw_watts")),
            ("Agent up", "short", greatest("node", "wattline_node_agent_up")),
            ("Acknowledged", "short", greatest("node", "wattline_node_acknowledged")),
            by=("node",),
            links={"node": ("Show the node", to("wattline-node", "node"))},
            steps={"Agent up": PRESENT, "Acknowledged": ((None, YELLOW), (1, GREEN))},
            width=12,
        ),
        states(
            "Agents",
            "Whether the agent of each node answers the operator.",
            Query(greatest("node", "wattline_node_agent_up"), "{{node}}"),
            PRESENT,
            {"0": "away", "1": "answers"},
        ),
        graph(
            "Age of the last pass",
            "The loop passes every 15 seconds; leases are renewed by whole passes and end after 60.",
            "s",
            Query("min(wattline_operator_pass_age_seconds)", "age"),
            Query("max(wattline_operator_pass_duration_seconds)", "duration", GREY),
            steps=((None, "transparent"), (60, RED)),
        ),
        graph(
            "Passes by the minute",
            "An abandoned pass changes nothing and renews nothing; the operator's log says why.",
            "short",
            Query(rate("result", "wattline_operator_passes_total") + " * 60", "{{result}}"),
        ),
    )


def _told(watts: str) -> str:
    """Return watts with the state and the reason of the domain's promise as labels."""
    return (
        f"{watts} * on (domain) group_left (status, reason)"
        f' max by (domain, status, reason) (wattline_domain_condition{{domain=~"$domain",type="Enforced"}})'
    )
