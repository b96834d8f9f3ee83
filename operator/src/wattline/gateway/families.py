"""Metric families that are made in several places."""

from collections.abc import Mapping

from prometheus_client.core import HistogramMetricFamily

from wattline.gateway.counts import Spread


def histogram(name: str, what: str, label: str, spreads: Mapping[str, Spread]) -> HistogramMetricFamily:
    """Return a family with one histogram for each value of a label."""
    family = HistogramMetricFamily(name, what, labels=[label])
    for value, spread in sorted(spreads.items()):
        total, buckets = 0, []
        for bound, counted in zip((*map(str, spread.bounds), "+Inf"), spread.counts, strict=True):
            total += counted
            buckets.append((bound, total))
        family.add_metric([value], buckets, spread.sum)
    return family
