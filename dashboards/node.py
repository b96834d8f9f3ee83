"""Node and GPU: what was ordered, what is in force, what the devices do, and how the agent is."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from dashboards.frame import choice, filled, page
from dashboards.panels import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    YELLOW,
    Panels,
    Query,
    graph,
    members,
    number,
    states,
)
from dashboards.queries import clocks, greatest, rate

NODE = '{node=~"$node"}'
GPU = 'node=~"$node",gpu_uuid=~"$gpu"'


def build() -> Dashboard:
    """Return the dashboard."""
    board = page(
        "wattline-node",
        "Limits, clocks requested and seen, thermal margin, what kept clocks low, and the state of the agent.",
        choice("node", "Node", "label_values(wattline_agent_state, node)"),
        choice("gpu", "GPU", 'label_values(wattline_agent_gpu_info{node=~"$node"}, gpu_uuid)'),
    )
    return filled(
        board,
        _numbers(),
        {"Watts": _watts(), "Clocks and heat": _clocks_and_heat(), "Agent": _state_of_agents()},
    )


def _numbers() -> Panels:
    return (
        number(
            "Draw",
            "Measured draw of the GPUs.",
            "watt",
            Query(f"sum({_gpu('power_watts', 'mode', 'average')})"),
        ),
        number(
            "Least thermal margin",
            "Degrees that are left before the hottest GPU slows itself down.",
            "celsius",
            Query(f"min({_gpu('thermal_margin_celsius')})"),
            steps=((None, RED), (2, ORANGE), (6, YELLOW), (10, GREEN)),
        ),
        number(
            "Order in force for",
            "How long the order lasts without another renewal of its lease; then the failsafe watts hold.",
            "s",
            Query(f"min(wattline_agent_lease_remaining_seconds{NODE})"),
            steps=((None, RED), (15, YELLOW), (30, GREEN)),
        ),
        number(
            "Age of readings",
            "Age of the last view of the devices.",
            "s",
            Query(f"max(wattline_agent_sensor_age_seconds{NODE})"),
            steps=((None, GREEN), (2, YELLOW), (5, RED)),
        ),
        number(
            "Time under the power cap",
            "Share of the last ten minutes in which the power limit kept a clock low; the clock is to regulate, the"
            " limit is a fence.",
            "percentunit",
            Query(f"max({_event('sw_power_cap', '10m')})"),
            steps=((None, GREEN), (0.2, YELLOW), (0.5, RED)),
        ),
        number(
            "GPUs not applied",
            "GPUs whose last request was blocked or failed.",
            "short",
            Query(f'sum(wattline_agent_gpu_outcome{{{GPU},outcome=~"blocked|error"}}) or vector(0)'),
            steps=((None, GREEN), (1, RED)),
        ),
    )


def _watts() -> Panels:
    return (
        graph(
            "Watts of the node",
            "The agent shares the node's budget among its GPUs: what the limits read back allow never passes it.",
            "watt",
            Query(_agent("budget_watts"), "budget {{node}}", RED, dashed=True),
            Query(_agent("bound_watts"), "bound {{node}}", ORANGE),
            Query(_agent("demand_watts"), "demand {{node}}", GREY),
            Query(
                greatest(
                    "node, level", f'wattline_agent_budget_source_watts{{{NODE[1:-1]},source="Emergency"}}'
                ),
                "emergency {{level}} {{node}}",
                YELLOW,
                dashed=True,
            ),
            Query(f"sum by (node) ({_gpu('power_watts', 'mode', 'average')})", "draw {{node}}", BLUE),
        ),
        graph(
            "Limits by kind",
            "Power limits of each GPU: asked for, read back, and what the device takes at most.",
            "watt",
            Query(_limit("enforced"), "read back {{gpu_uuid}}"),
            Query(_limit("requested"), "asked for {{gpu_uuid}}", YELLOW, dashed=True),
            Query(f"max by (node) ({_limit('max')})", "greatest of {{node}}", GREY, dashed=True),
            Query(f"min by (node) ({_limit('min')})", "least of {{node}}", GREY, dashed=True),
        ),
        graph(
            "Draw of GPUs",
            "Average of the last second, as the device says it.",
            "watt",
            Query(_each("power_watts", "mode", "average"), "{{node}} {{gpu_uuid}}"),
            width=24,
        ),
    )


def _clocks_and_heat() -> Panels:
    return (
        graph(
            "Clocks",
            "SM clock as seen, and the fastest it may run: what was asked for, else the device's own.",
            "hertz",
            Query(clocks("current", GPU), "{{gpu_uuid}}"),
            Query(clocks("allowed", GPU), "at most {{gpu_uuid}}", GREY, dashed=True),
        ),
        graph(
            "What kept clocks low",
            "Share of time for which a reason held, at the GPU where it held longest. Hardware reasons (hw_*) are a fault of cooling or power supply.",
            "percentunit",
            Query(
                f"max by (node, reason) (rate(wattline_agent_gpu_clock_event_seconds_total{{{GPU},"
                'reason!="idle"}[$__rate_interval]))',
                "{{node}} {{reason}}",
            ),
            high=1,
        ),
        graph(
            "Thermal margin",
            "Degrees left before the device slows itself down. Below 10 nothing is loosened, below 6 clocks fall,"
            " below 2 everything goes to its least.",
            "celsius",
            Query(_each("thermal_margin_celsius"), "{{node}} {{gpu_uuid}}"),
            low=None,
            steps=((None, RED), (2, ORANGE), (6, YELLOW), (10, "transparent")),
        ),
        graph(
            "Temperature",
            "Temperature of the GPUs.",
            "celsius",
            Query(_each("temperature_celsius"), "{{node}} {{gpu_uuid}}"),
            low=None,
        ),
        states(
            "Thermal bands",
            "The band each GPU's margin is in.",
            Query(
                "sum by (node, gpu_uuid) ("
                + " or ".join(
                    f"{worth} * {_gpu('thermal_band', 'band', band)}"
                    for worth, band in enumerate(("release", "hold", "tighten", "emergency"))
                )
                + ")",
                "{{node}} {{gpu_uuid}}",
            ),
            ((None, GREEN), (1, YELLOW), (2, ORANGE), (3, RED)),
            {"0": "release", "1": "hold", "2": "tighten", "3": "emergency"},
        ),
        members(
            "What became of the last request",
            "One line for each GPU; the reason is the word that the PowerNode's status starts with.",
            f"wattline_agent_gpu_outcome{{{GPU}}} == 1",
            by=("node", "gpu_uuid", "outcome", "reason"),
        ),
    )


def _state_of_agents() -> Panels:
    return (
        states(
            "State of the agent",
            "One bar for each state; the coloured one holds.",
            Query(greatest("node, state", f"wattline_agent_state{NODE}"), "{{node}} {{state}}"),
            ((None, "transparent"), (1, BLUE)),
            {"0": " ", "1": "holds"},
        ),
        graph(
            "Writes to devices by the minute",
            "Changes of limits, clocks and modes, by what became of them.",
            "short",
            Query(
                rate("actuator, result", f"wattline_agent_actuations_total{NODE}") + " * 60",
                "{{actuator}} {{result}}",
            ),
        ),
        graph(
            "Trouble by the hour",
            "Settings of ours found changed, readings that failed, GPUs that went away, leases that ended, passes"
            " that came late.",
            "short",
            *(
                Query(
                    f"sum by (node) (increase(wattline_agent_{name}_total{NODE}[1h]))", f"{word} {{{{node}}}}"
                )
                for name, word in (
                    ("limit_drift", "drift"),
                    ("sensor_failures", "sensor"),
                    ("gpu_lost", "lost"),
                    ("readback_mismatch", "read back"),
                    ("failsafe_activations", "failsafe"),
                    ("control_loop_overruns", "late"),
                )
            ),
        ),
        graph(
            "Order in force, over time",
            "Renewed every 15 seconds for 60; at zero the failsafe watts hold.",
            "s",
            Query(_agent("lease_remaining_seconds"), "{{node}}"),
            steps=((None, RED), (15, YELLOW), (30, "transparent")),
        ),
    )


def _gpu(name: str, label: str = "", value: str = "") -> str:
    """Return a metric of the chosen GPUs, of one kind where it has several."""
    more = f',{label}="{value}"' if label else ""
    return f"wattline_agent_gpu_{name}{{{GPU}{more}}}"


def _each(name: str, label: str = "", value: str = "") -> str:
    return greatest("node, gpu_uuid", _gpu(name, label, value))


def _limit(kind: str) -> str:
    return _each("power_limit_watts", "kind", kind)


def _agent(name: str) -> str:
    return greatest("node", f"wattline_agent_{name}{NODE}")


def _event(reason: str, window: str) -> str:
    """Return the share of a window in which a reason kept the clock low."""
    return f'rate(wattline_agent_gpu_clock_event_seconds_total{{{GPU},reason="{reason}"}}[{window}])'
