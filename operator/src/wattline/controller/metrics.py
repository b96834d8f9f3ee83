"""What the loop sees and decides, for Prometheus; made at scrape time from the last pass."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from wattline.api.base import Condition
from wattline.api.workflowrun import Phase
from wattline.controller.balance import Pass
from wattline.controller.conditions import draw_watts
from wattline.controller.facts import acknowledged
from wattline.controller.tally import Tally
from wattline.controller.tree import tree


class BalanceCollector(Collector):
    """Metrics of the last pass and of the loop itself; of objects none before the first pass, and none where
    another process leads.
    """

    def __init__(self, tally: Tally, now: Callable[[], float]) -> None:
        self._tally = tally
        self._now = now

    def describe(self) -> Iterator[Metric]:
        """Say nothing at registration, when there is no pass yet."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        yield from self._loop()
        last = self._tally.last
        if last is None:
            return
        yield GaugeMetricFamily(
            "wattline_operator_pass_age_seconds",
            "Time since the last whole pass ended.",
            self._now() - last.at_seconds,
        )
        yield GaugeMetricFamily(
            "wattline_operator_pass_duration_seconds", "How long the last whole pass took.", last.took_seconds
        )
        yield GaugeMetricFamily(
            "wattline_operator_epoch", "How often the leader has changed.", last.view.epoch
        )
        yield from _domains(last)
        yield from _nodes(last)
        yield from _pools(last)
        yield from _workflows(last)

    def _loop(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "wattline_operator_leading", "Whether this process is the one that acts.", self._tally.leading
        )
        passes = CounterMetricFamily(
            "wattline_operator_passes",
            "Passes of the reconcile loop; one that could not see or write everything is abandoned.",
            labels=["result"],
        )
        for result, number in self._tally.passes.items():
            passes.add_metric([result], number)
        actions = CounterMetricFamily(
            "wattline_operator_actions",
            "What passes did beside statuses, orders and leases.",
            labels=["action"],
        )
        for action, number in sorted(self._tally.actions.items()):
            actions.add_metric([action], number)
        yield from (passes, actions)


def _domains(last: Pass) -> Iterable[Metric]:
    info = _family("domain_info", "The power domains.", "domain", "parent", "mode")
    budget = _family("domain_budget_watts", "Budget of a power domain.", "domain")
    beside = _family(
        "domain_beside_watts",
        "Overheads of nodes and reserved watts, which count against the budget beside the GPUs.",
        "domain",
    )
    may = _family("domain_may_draw_watts", "Most a power domain may draw now, all that counts.", "domain")
    draw = _family("domain_draw_watts", "Measured draw of a power domain's GPUs.", "domain")
    condition = _family(
        "domain_condition", "Conditions of a power domain.", "domain", "type", "status", "reason"
    )
    counted = tree(last.view.fleet).beside_watts
    for domain in last.view.fleet.domains:
        name, spec = domain.metadata.name, domain.spec
        info.add_metric([name, spec.parent or "", spec.mode], 1)
        budget.add_metric([name], spec.budget.watts)
        beside.add_metric([name], counted[name])
        status = last.decisions.domains.get(name)
        if status is not None:
            _add(may, [name], status.may_draw_watts)
            _add(draw, [name], status.draw_watts)
            _conditions(condition, name, status.conditions)
    return info, budget, beside, may, draw, condition


def _nodes(last: Pass) -> Iterable[Metric]:
    info = _family("node_info", "The nodes, and the power domain each hangs on.", "node", "domain")
    budget = _family("node_budget_watts", "Budget ordered for a node's GPUs.", "node")
    may = _family("node_may_draw_watts", "Most a node's GPUs may draw now.", "node")
    draw = _family("node_draw_watts", "Measured draw of a node's GPUs.", "node")
    up = _family("node_agent_up", "Whether the node's agent answers.", "node")
    behind = _family("node_acknowledged", "Whether the agent has its present order in force.", "node")
    why = _family("node_grant_watts", "What a node is to get, and why.", "node", "reason")
    for name, spec in last.decisions.orders.items():
        node = last.view.nodes[name]
        info.add_metric([name, spec.domain], 1)
        budget.add_metric([name], spec.budget_watts)
        up.add_metric([name], node.readings is not None)
        behind.add_metric([name], acknowledged(node))
        _add(may, [name], last.decisions.may_draw_watts.get(name))
        if name in last.decisions.grants:
            grant = last.decisions.grants[name]
            why.add_metric([name, grant.why], grant.watts)
        _add(draw, [name], draw_watts(node))
    return info, budget, may, draw, up, behind, why


def _pools(last: Pass) -> Iterable[Metric]:
    replicas = _family("pool_replicas", "Replicas that a pool has.", "pool")
    ready = _family("pool_ready_replicas", "Of these, those whose engine and GPUs answer.", "pool")
    draw = _family("pool_draw_watts", "Measured draw of a pool's GPUs.", "pool")
    cap = _family("pool_cap_watts", "Sum of the power limits read back of a pool's GPUs.", "pool")
    condition = _family("pool_condition", "Conditions of a pool.", "pool", "type", "status", "reason")
    gpu = _family(
        "replica_gpu_info", "Which GPUs a replica runs on; for joins.", "pool", "replica", "node", "gpu_uuid"
    )
    for name, status in last.decisions.pools.items():
        replicas.add_metric([name], status.replicas)
        ready.add_metric([name], status.ready_replicas)
        _add(draw, [name], status.draw_watts)
        _add(cap, [name], status.cap_watts)
        _conditions(condition, name, status.conditions)
        for endpoint in status.endpoints:
            for uuid in endpoint.gpus:
                gpu.add_metric([name, endpoint.name, endpoint.node, uuid], 1)
    return replicas, ready, draw, cap, condition, gpu


def _workflows(last: Pass) -> Iterable[Metric]:
    phase = _family(
        "workflow_phase",
        "How far the last run of a workflow is; none where agents run elsewhere.",
        "workflow",
        "phase",
    )
    condition = _family(
        "workflow_condition", "Conditions of a workflow.", "workflow", "type", "status", "reason"
    )
    for name, status in last.decisions.workflows.items():
        for each in Phase:
            phase.add_metric([name, each], each is status.phase)
        _conditions(condition, name, status.conditions)
    return phase, condition


def _family(name: str, what: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"wattline_{name}", what, labels=labels)


def _add(family: GaugeMetricFamily, labels: Sequence[str], value: float | None) -> None:
    if value is not None:
        family.add_metric(labels, value)


def _conditions(family: GaugeMetricFamily, name: str, conditions: Iterable[Condition]) -> None:
    for each in conditions:
        family.add_metric([name, each.type, each.status, each.reason], 1)
