"""``/metrics``, built from the gateway's state when it is scraped."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from wattline.gateway.families import histogram
from wattline.gateway.refusal import Reason
from wattline.gateway.turnlog import TurnLog
from wattline.gateway.workflow_metrics import workflow_metrics
from wattline.policy import admit, route

HELD_REASONS = (*admit.Why, route.Why.NONE_USABLE)
"""Why the first of a pool's held turns may have to wait."""

KNOWN_WORDS = {
    "requests": ("answered", "refused"),
    "refusals": tuple(Reason),
    "runs_finished": ("told",),
    "tokens": ("prompt", "cached", "recomputed", "completion"),
}
"""Label values that a counter tells before the first event too, so that Prometheus sees it come."""

if TYPE_CHECKING:
    from wattline.gateway.service import Gateway


class GatewayMetrics(Collector):
    """Everything a dashboard needs; label values are names from manifests and words of the code, so bounded."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        yield from self._replicas()
        yield from self._pools()
        yield from self._totals()
        yield from self._joules()
        gateway = self._gateway
        yield from workflow_metrics(gateway.workflows, gateway.runs, gateway.counts)
        for name, spreads, what in (
            ("held_seconds", gateway.counts.held_seconds, "Time from a request's arrival to its dispatch."),
            (
                "first_byte_seconds",
                gateway.counts.first_byte_seconds,
                "Time from a request's arrival to its first byte, held time included.",
            ),
            (
                "run_energy_joules",
                gateway.counts.run_joules,
                "Energy of finished runs, by the pool of their last turn; counted once all of it is divided.",
            ),
        ):
            yield histogram(f"wattline_gateway_{name}", what, "pool", spreads)
        yield GaugeMetricFamily(
            "wattline_gateway_sessions", "Agent sessions that are known.", len(gateway.sessions)
        )
        yield GaugeMetricFamily(
            "wattline_gateway_turns", "Requests under way, held ones included.", len(gateway.turns)
        )
        yield GaugeMetricFamily(
            "wattline_gateway_adopting",
            "Whether sessions of an earlier gateway are let in.",
            gateway.adopting,
        )
        yield from _recorded(gateway.record.log)
        yield GaugeMetricFamily(
            "wattline_gateway_draining", "Whether the gateway is stopping.", gateway.draining
        )

    def _replicas(self) -> Iterator[Metric]:
        labels = ["pool", "replica"]
        families = {
            "resident_tokens": "Unique context tokens of all sessions, tool gaps included.",
            "capacity_tokens": "Tokens that the KV memory holds.",
            "slowest_agent_tokens_per_second": "P5 of the agent rates of the last 30 s.",
            "running": "Turns at the engine.",
            "waiting": "Turns held for the replica, first turns counted for each.",
        }
        units = {"running": "running_turns", "waiting": "waiting_turns"}
        made = {
            name: GaugeMetricFamily(f"wattline_replica_{units.get(name, name)}", what, labels=labels)
            for name, what in families.items()
        }
        usable = GaugeMetricFamily("wattline_replica_usable", "Whether turns may go there.", labels=labels)
        active = GaugeMetricFamily("wattline_replica_active", "Whether it is to get work.", labels=labels)
        for pool in self._gateway.pools.values():
            for load in pool.loads(None):
                at = [load.pool, load.name]
                for name, family in made.items():
                    value = getattr(load, name)
                    if value is not None:
                        family.add_metric(at, value)
                usable.add_metric(at, float(pool.replicas[load.name].usable))
                active.add_metric(at, float(pool.replicas[load.name].active))
        yield from made.values()
        yield usable
        yield active
        withheld = GaugeMetricFamily(
            "wattline_replica_withheld",
            "Replicas that get no work though they are there, and why.",
            labels=[*labels, "reason"],
        )
        for pool in self._gateway.pools.values():
            for name, reason in pool.withheld.items():
                withheld.add_metric([pool.name, name, reason.partition(":")[0]], 1)
        yield withheld

    def _pools(self) -> Iterator[Metric]:
        held = GaugeMetricFamily(
            "wattline_pool_held_turns",
            "Turns that are held, under the reason of the first of them.",
            labels=["pool", "reason"],
        )
        memory = GaugeMetricFamily(
            "wattline_pool_memory_threshold_ratio",
            "Resident shares at which behaviour changes: protectAbove (alpha), admitBelow (gamma), neverAbove (beta).",
            labels=["pool", "threshold"],
        )
        rate = GaugeMetricFamily(
            "wattline_pool_objective_tokens_per_second",
            "Output tokens per second that 95 of 100 agent windows are to reach.",
            labels=["pool"],
        )
        for pool in self._gateway.pools.values():
            first = pool.desk.held_because or route.Why.NONE_USABLE
            for reason in HELD_REASONS:
                held.add_metric([pool.name, reason], pool.desk.held if reason == first else 0)
            spec = pool.declared.spec
            for name, share in (
                ("protectAbove", spec.memory.protect_above),
                ("admitBelow", spec.memory.admit_below),
                ("neverAbove", spec.memory.never_above),
            ):
                memory.add_metric([pool.name, name], share)
            rate.add_metric([pool.name], spec.objective.tokens_per_second_per_agent_p5)
        yield from (held, memory, rate)

    def _totals(self) -> Iterator[Metric]:
        counts = self._gateway.counts
        for name, what, label, totals in (
            ("requests", "Requests that are over, by outcome.", "outcome", counts.requests),
            ("refusals", "Requests that were refused, by reason.", "reason", counts.refusals),
            (
                "runs_finished",
                "Runs that are over, by the pool of their last turn; told by the client, or silent for hours.",
                "end",
                counts.runs_finished,
            ),
            ("routed_turns", "Turns by why they went where they went.", "reason", counts.routed),
            ("admitted_turns", "Turns by why they could start.", "reason", counts.admitted),
            ("tokens", "Tokens of turns that were answered.", "kind", counts.tokens),
        ):
            family = CounterMetricFamily(f"wattline_gateway_{name}", what, labels=["pool", label])
            zeros = {(pool, word): 0 for pool in self._gateway.pools for word in KNOWN_WORDS.get(name, ())}
            for labels, value in sorted((zeros | totals).items()):
                family.add_metric(list(labels), value)
            yield family
        retries = CounterMetricFamily(
            "wattline_gateway_retries", "Turns tried again after an engine failed.", labels=["pool"]
        )
        for pool, value in sorted(counts.retries.items()):
            retries.add_metric([pool], value)
        yield retries

    def _joules(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "wattline_gateway_energy_joules",
            "Advance of the GPUs' counters, by where it went.",
            labels=["pool", "replica", "bucket"],
        )
        waits = GaugeMetricFamily(
            "wattline_gateway_energy_unsettled_joules",
            "Joules of windows whose turns still run.",
            labels=["pool", "replica"],
        )
        for (pool, replica), buckets in self._gateway.energy.totals().items():
            for bucket, joules in buckets.items():
                if bucket == "unsettled":
                    waits.add_metric([pool, replica], joules)
                else:
                    family.add_metric([pool, replica, bucket], joules)
        yield family
        yield waits


def _recorded(log: TurnLog | None) -> Iterator[Metric]:
    family = CounterMetricFamily(
        "wattline_gateway_recorded_turns",
        "Ended turns for the file of --record: written, or dropped because the disk was slow, full or away.",
        labels=["result"],
    )
    family.add_metric(["written"], 0 if log is None else log.written)
    family.add_metric(["dropped"], 0 if log is None else log.dropped)
    yield family


def registry(gateway: "Gateway") -> CollectorRegistry:
    """Return a registry with a gateway's metrics and its process's, and nothing else."""
    made = CollectorRegistry()
    made.register(GatewayMetrics(gateway))
    ProcessCollector(registry=made)
    return made
