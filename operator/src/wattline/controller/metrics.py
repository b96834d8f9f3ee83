"""What the loop sees and decides, for Prometheus; made at scrape time from the last pass."""

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from wattline.controller.balance import Pass
from wattline.controller.conditions import draw_watts
from wattline.controller.facts import acknowledged


class BalanceCollector(Collector):
    """Metrics of the last pass; none before the first."""

    def __init__(self, last: Callable[[], Pass | None]) -> None:
        self._last = last

    def describe(self) -> Iterator[Metric]:
        """Say nothing at registration, when there is no pass yet."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield the families of the last pass."""
        last = self._last()
        if last is None:
            return
        yield from _domains(last)
        yield from _nodes(last)
        done = GaugeMetricFamily("wattline_pass_at_seconds", "World time at which the last whole pass ended.")
        done.add_metric([], last.at_seconds)
        yield done
        epoch = GaugeMetricFamily("wattline_epoch", "How often the leader has changed.")
        epoch.add_metric([], last.view.epoch)
        yield epoch


def _domains(last: Pass) -> Iterator[Metric]:
    budget = GaugeMetricFamily("wattline_domain_budget_watts", "Budget of a power domain.", labels=["domain"])
    may = GaugeMetricFamily(
        "wattline_domain_may_draw_watts", "Most a power domain may draw now.", labels=["domain"]
    )
    draw = GaugeMetricFamily(
        "wattline_domain_draw_watts", "Measured draw of a power domain's GPUs.", labels=["domain"]
    )
    condition = GaugeMetricFamily(
        "wattline_domain_condition",
        "Conditions of a power domain.",
        labels=["domain", "type", "status", "reason"],
    )
    for domain in last.view.fleet.domains:
        name = domain.metadata.name
        status = last.decisions.domains[name]
        budget.add_metric([name], domain.spec.budget.watts)
        if status.may_draw_watts is not None:
            may.add_metric([name], status.may_draw_watts)
        if status.draw_watts is not None:
            draw.add_metric([name], status.draw_watts)
        for each in status.conditions:
            condition.add_metric([name, each.type, each.status, each.reason], 1)
    return iter((budget, may, draw, condition))


def _nodes(last: Pass) -> Iterator[Metric]:
    budget = GaugeMetricFamily(
        "wattline_node_budget_watts", "Budget ordered for a node's GPUs.", labels=["node"]
    )
    may = GaugeMetricFamily(
        "wattline_node_may_draw_watts", "Most a node's GPUs may draw now.", labels=["node"]
    )
    draw = GaugeMetricFamily("wattline_node_draw_watts", "Measured draw of a node's GPUs.", labels=["node"])
    away = GaugeMetricFamily("wattline_node_agent_up", "Whether the node's agent answers.", labels=["node"])
    behind = GaugeMetricFamily(
        "wattline_node_acknowledged", "Whether the agent has its present order in force.", labels=["node"]
    )
    why = GaugeMetricFamily(
        "wattline_node_grant_watts", "What a node is to get, and why.", labels=["node", "reason"]
    )
    for name, spec in last.decisions.orders.items():
        node = last.view.nodes[name]
        budget.add_metric([name], spec.budget_watts)
        away.add_metric([name], node.readings is not None)
        behind.add_metric([name], acknowledged(node))
        if name in last.decisions.may_draw_watts:
            may.add_metric([name], last.decisions.may_draw_watts[name])
        if name in last.decisions.grants:
            grant = last.decisions.grants[name]
            why.add_metric([name, grant.why], grant.watts)
        watts = draw_watts(node)
        if watts is not None:
            draw.add_metric([name], watts)
    return iter((budget, may, draw, away, behind, why))
