"""Metrics of what bounds the node: every valid source of its budget, and its emergency levels."""

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric

from wattline_agent.budget import Kind
from wattline_agent.messages import View

LEVEL = ("node", "level")


def budget_metrics(node: str, view: View) -> Iterable[Metric]:
    """Yield what each source allows, which one binds, and what lies ready or holds."""
    sources = GaugeMetricFamily(
        "wattline_agent_budget_source_watts",
        "What each valid source of the budget allows; the least counts.",
        labels=("node", "source", "level"),
    )
    for source in view.budget_sources:
        sources.add_metric((node, source.kind, source.name), source.watts)
    binding = GaugeMetricFamily(
        "wattline_agent_budget_source", "Which kind of source sets the budget.", labels=("node", "source")
    )
    for kind in Kind:
        binding.add_metric((node, kind), view.budget_source is not None and view.budget_source.kind is kind)
    armed = GaugeMetricFamily(
        "wattline_agent_emergency_watts", "Budget of each emergency level that lies ready.", labels=LEVEL
    )
    left = GaugeMetricFamily(
        "wattline_agent_emergency_remaining_seconds",
        "Time until an emergency level ends; zero while it has not begun.",
        labels=LEVEL,
    )
    in_force = GaugeMetricFamily(
        "wattline_agent_emergency_in_force",
        "Whether an emergency level has begun and is read back.",
        labels=LEVEL,
    )
    for level in view.emergencies:
        armed.add_metric((node, level.level), level.budget_watts)
        until = view.at_seconds if level.until_seconds is None else level.until_seconds
        left.add_metric((node, level.level), max(0.0, until - view.at_seconds))
        in_force.add_metric((node, level.level), level.in_force)
    yield from (sources, binding, armed, left, in_force)
