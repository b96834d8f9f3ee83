"""``/metrics``, built from the gateway's state when it is scraped."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from wattline.gateway.counts import SECONDS, Spread

if TYPE_CHECKING:
    from wattline.gateway.service import Gateway


class GatewayMetrics(Collector):
    """Everything a dashboard needs; label values are names from manifests and words of the code, so bounded."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        yield from self._replicas()
        yield from self._totals()
        yield from self._joules()
        gateway = self._gateway
        for name, spreads, what in (
            ("held_seconds", gateway.counts.held_seconds, "Time from a request's arrival to its dispatch."),
            (
                "first_byte_seconds",
                gateway.counts.first_byte_seconds,
                "Time from a request's arrival to its first byte.",
            ),
        ):
            yield _histogram(f"wattline_gateway_{name}", what, spreads)
        yield _gauge("wattline_gateway_sessions", "Agent sessions that are known.", len(gateway.sessions))
        yield _gauge("wattline_gateway_turns", "Requests under way, held ones included.", len(gateway.turns))
        yield _gauge(
            "wattline_gateway_adopting",
            "Whether sessions of an earlier gateway are let in.",
            gateway.adopting,
        )
        yield _gauge("wattline_gateway_draining", "Whether the gateway is stopping.", gateway.draining)

    def _replicas(self) -> Iterator[Metric]:
        labels = ["pool", "replica"]
        families = {
            "resident_tokens": "Unique context tokens of all sessions, tool gaps included.",
            "capacity_tokens": "Tokens that the KV memory holds.",
            "slowest_agent_tokens_per_second": "P5 of the agent rates of the last 30 s.",
            "running": "Turns at the engine.",
            "waiting": "Turns held for the replica, first turns counted for each.",
        }
        made = {
            name: GaugeMetricFamily(f"wattline_replica_{name}", what, labels=labels)
            for name, what in families.items()
        }
        usable = GaugeMetricFamily("wattline_replica_usable", "Whether turns may go there.", labels=labels)
        held = GaugeMetricFamily("wattline_pool_held", "Turns that are held.", labels=["pool", "reason"])
        for pool in self._gateway.pools.values():
            for load in pool.loads(None):
                at = [load.pool, load.name]
                for name, family in made.items():
                    value = getattr(load, name)
                    if value is not None:
                        family.add_metric(at, value)
                usable.add_metric(at, float(pool.replicas[load.name].usable))
            held.add_metric([pool.name, str(pool.desk.held_because or "")], pool.desk.held)
        yield from made.values()
        yield usable
        yield held

    def _totals(self) -> Iterator[Metric]:
        counts = self._gateway.counts
        for name, what, label, totals in (
            ("requests", "Requests that are over, by outcome.", "outcome", counts.requests),
            ("refusals", "Requests that were refused, by reason.", "reason", counts.refusals),
            ("routed_turns", "Turns by why they went where they went.", "reason", counts.routed),
            ("admitted_turns", "Turns by why they could start.", "reason", counts.admitted),
            ("tokens", "Tokens of turns that were answered.", "kind", counts.tokens),
        ):
            family = CounterMetricFamily(f"wattline_gateway_{name}", what, labels=["pool", label])
            for labels, value in sorted(totals.items()):
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


def registry(gateway: "Gateway") -> CollectorRegistry:
    """Return a registry with a gateway's metrics and nothing else."""
    made = CollectorRegistry()
    made.register(GatewayMetrics(gateway))
    return made


def _gauge(name: str, what: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, what)
    family.add_metric([], float(value))
    return family


def _histogram(name: str, what: str, spreads: dict[str, Spread]) -> Metric:
    family = HistogramMetricFamily(name, what, labels=["pool"])
    for pool, spread in sorted(spreads.items()):
        total, buckets = 0, []
        for bound, counted in zip((*map(str, SECONDS), "+Inf"), spread.counts, strict=True):
            total += counted
            buckets.append((bound, total))
        family.add_metric([pool], buckets, spread.sum)
    return family
