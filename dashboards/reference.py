"""docs/reference/metrics.md, made from the collectors."""

from dashboards.catalogue import Exported, catalogue

HEAD = """# Metrics

Made from the code by `make dashboards`; do not edit.

Every part serves `/metrics`: the gateway on 8080 beside the API, the node agent on 9808, the operator on 9809 (the
ports of the chart; on a box `--listen` says them). Where several processes tell the same (two gateways, a leader and its predecessor), add counters and tokens up,
take the minimum of rates of agents and the maximum of everything else, as the dashboards do.

Names and labels: `pool` and `workflow` are full names, `NAMESPACE/NAME`, or `NAME` on a box without namespaces, so that
they do not collide with the `namespace` that Prometheus gives its targets (`wattline_agent_gpu_pod_info` needs `honorLabels: true`, which the
chart's PodMonitors set). `node` and `gpu_uuid` are on every series of
a device; to join DCGM's series use `label_replace(..., "gpu_uuid", "$1", "UUID", "(.*)")`. Series of a counter end in
`_total`; a histogram has `_bucket`, `_sum` and `_count`.
The operator and the gateway also export the usual `process_*` metrics.
"""


def text() -> str:
    """Return the page."""
    parts = [HEAD]
    for part, metrics in catalogue().items():
        parts.append(f"\n## {part.capitalize()}\n")
        parts.append("| name | type | labels | |\n|---|---|---|---|")
        parts.extend(_line(metric) for metric in metrics)
    return "\n".join(parts) + "\n"


def _line(metric: Exported) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |"
