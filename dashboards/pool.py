"""Pool: is there memory, how fast are the slowest agents, what do clocks and watts do."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dashboards.frame import IN_NAMESPACE, choice, filled, namespaces, page
from dashboards.panels import GREEN, GREY, ORANGE, PRESENT, RED, YELLOW, Panels, Query, graph, number, states
from dashboards.queries import GATEWAY_JOULES, clocks, greatest, hourly_mean, rate

POOL = '{pool=~"$pool"}'
SHORT = "rejected-saturated|rejected-ttl-expired|rejected-no-endpoints"
"""Reasons for which a request is refused that are not its own fault."""

GPUS = greatest("pool, replica, node, gpu_uuid", f"wattline_replica_gpu_info{POOL}")
"""Which GPUs the pool's replicas run on."""

SHARE = (
    f"sum by (pool, replica) (wattline_replica_resident_tokens{POOL})"
    f" / on (pool, replica) max by (pool, replica) (wattline_replica_capacity_tokens{POOL})"
)


def build() -> Dashboard:
    """Return the dashboard."""
    board = page(
        "wattline-pool",
        "Resident tokens against alpha, gamma and beta, the slowest agents, clocks, waits and refusals.",
        namespaces("wattline_replica_usable", "pool"),
        choice("pool", "Pool", f"label_values(wattline_replica_usable{{pool{IN_NAMESPACE}}}, pool)"),
    )
    return filled(
        board, _numbers(), {"Memory": _memory(), "Agents": _agents(), "Clocks and watts": _clocks_and_watts()}
    )


def _numbers() -> Panels:
    return (
        number(
            "Fullest replica",
            "The greatest resident share of KV memory.",
            "percentunit",
            Query(f"max({SHARE})"),
            steps=((None, GREEN), (0.75, YELLOW), (0.9, ORANGE), (0.95, RED)),
        ),
        number(
            "Slowest agent",
            "Output tokens per second that 95 of 100 agent windows reach, at the slowest replica.",
            "suffix: tok/s",
            Query(f"min(wattline_replica_slowest_agent_tokens_per_second{POOL})"),
        ),
        number(
            "Held turns",
            "Turns that wait in the gateway.",
            "short",
            Query(f"sum(wattline_pool_held_turns{POOL})"),
            steps=((None, GREEN), (1, YELLOW)),
        ),
        number(
            "Refused for lack of room",
            "Share of the requests of the last ten minutes that were refused because memory, watts or engines were short.",
            "percentunit",
            Query(
                f'sum(rate(wattline_gateway_refusals_total{{pool=~"$pool",reason=~"{SHORT}"}}[10m]))'
                f" / sum(rate(wattline_gateway_requests_total{POOL}[10m]))"
            ),
            steps=((None, GREEN), (0.01, YELLOW), (0.05, RED)),
        ),
        number(
            "Ready replicas",
            "Replicas whose engine and GPUs answer.",
            "short",
            Query(f"sum({_of_pools('ready_replicas')})"),
            steps=PRESENT,
        ),
        number(
            "Joules per 1000 output tokens",
            "Energy attributed to runs, for each thousand tokens that agents got.",
            "joule",
            Query(
                'sum(rate(wattline_gateway_energy_joules_total{pool=~"$pool",bucket="attributed"}[10m]))'
                ' / (sum(rate(wattline_gateway_tokens_total{pool=~"$pool",kind="completion"}[10m])) > 0) * 1000'
            ),
        ),
    )


def _memory() -> Panels:
    return (
        graph(
            "Resident share of KV memory",
            "Unique context tokens of all sessions, tool gaps included, of what the engine's memory holds. Above"
            " alpha memory comes before energy, above gamma no new agent starts, and no admission passes beta.",
            "percentunit",
            Query(SHARE, "{{pool}} {{replica}}"),
            *(
                Query(_threshold(name), f"{greek} {{{{pool}}}}", colour, dashed=True)
                for name, greek, colour in (
                    ("protectAbove", "alpha", YELLOW),
                    ("admitBelow", "gamma", ORANGE),
                    ("neverAbove", "beta", RED),
                )
            ),
            high=1,
        ),
        graph(
            "Held turns by reason",
            "Turns that wait in the gateway, under the reason of the first of them.",
            "short",
            Query(f"sum by (reason) (wattline_pool_held_turns{POOL})", "{{reason}}"),
            stacked=True,
        ),
    )


def _agents() -> Panels:
    return (
        graph(
            "Slowest agents",
            "Output tokens per second that 95 of 100 agent windows of the last 30 seconds reach, holding and"
            " prefill included, against the pool's objective.",
            "suffix: tok/s",
            Query(
                f"min by (pool, replica) (wattline_replica_slowest_agent_tokens_per_second{POOL})",
                "{{pool}} {{replica}}",
            ),
            Query(_of_pools("objective_tokens_per_second"), "objective {{pool}}", RED, dashed=True),
        ),
        graph(
            "Time to first token",
            "From a request's arrival to its first byte, held time included.",
            "s",
            *_quantiles("first_byte"),
        ),
        graph(
            "Waits",
            "From a request's arrival to its dispatch: what the gateway held it for.",
            "s",
            *_quantiles("held"),
        ),
        graph(
            "Refusals by reason",
            "Requests a second that were refused.",
            "reqps",
            Query(rate("reason", f"wattline_gateway_refusals_total{POOL}"), "{{reason}}"),
            stacked=True,
        ),
        graph(
            "Requests by outcome",
            "Requests a second that are over.",
            "reqps",
            Query(rate("outcome", f"wattline_gateway_requests_total{POOL}"), "{{outcome}}"),
            stacked=True,
        ),
        graph(
            "Tokens",
            "Tokens a second of turns that were answered; recomputed ones had been in memory before.",
            "suffix: tok/s",
            Query(rate("kind", f"wattline_gateway_tokens_total{POOL}"), "{{kind}}"),
        ),
    )


def _clocks_and_watts() -> Panels:
    return (
        graph(
            "Clocks",
            "SM clock of the pool's GPUs as seen, and the fastest they may run: what was asked for, else the device's own.",
            "hertz",
            Query(_on_gpus(clocks("current")), "{{replica}} {{gpu_uuid}}"),
            Query(_on_gpus(clocks("allowed")), "at most {{replica}}", GREY, dashed=True),
        ),
        graph(
            "Watts",
            "Measured draw of the pool's GPUs and the sum of their limits as read back.",
            "watt",
            Query(_of_pools("draw_watts"), "draw {{pool}}"),
            Query(_of_pools("cap_watts"), "cap {{pool}}", RED, dashed=True),
        ),
        graph(
            "Joules per finished run",
            "Attributed energy of runs that finished, divided by their number.",
            "joule",
            Query(hourly_mean("pool", GATEWAY_JOULES, POOL), "{{pool}}"),
        ),
        states(
            "Replicas",
            "Whether the gateway sends turns to a replica.",
            Query(greatest("pool, replica", f"wattline_replica_usable{POOL}"), "{{pool}} {{replica}}"),
            PRESENT,
            {"0": "no turns", "1": "serves"},
        ),
    )


def _of_pools(name: str) -> str:
    return greatest("pool", f"wattline_pool_{name}{POOL}")


def _threshold(name: str) -> str:
    return greatest("pool", f'wattline_pool_memory_threshold_ratio{{pool=~"$pool",threshold="{name}"}}')


def _on_gpus(metric: str) -> str:
    return f"({metric}) * on (node, gpu_uuid) group_right () {GPUS}"


def _quantiles(name: str) -> tuple[Query, ...]:
    metric = f"wattline_gateway_{name}_seconds_bucket{POOL}"
    return tuple(
        Query(f"histogram_quantile({share}, {rate('le', metric)})", f"P{share * 100:g}")
        for share in (0.5, 0.95, 0.99)
    )
