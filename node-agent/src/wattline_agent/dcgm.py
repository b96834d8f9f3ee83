"""``/dcgm/metrics``: readings under the names and labels of NVIDIA's dcgm-exporter, for tools that know only those.

NVIDIA's aiperf computes joules per request from the energy counter (millijoules). Values are NVML's own readings; fields that we do not read are absent. Written by hand because dcgm-exporter's counters
do not end in ``_total``, which prometheus_client adds.
"""

from collections.abc import Callable, Iterable, Mapping

from wattline.api.powernode import PodGpus
from wattline.model.wire import GpuSample
from wattline_agent.messages import GpuLine, View

Read = Callable[[GpuLine, GpuSample], float | None]

FIELDS: tuple[tuple[str, str, str, Read], ...] = (
    ("DCGM_FI_DEV_SM_CLOCK", "gauge", "SM clock frequency (in MHz).", lambda _, s: s.clock_mhz),
    ("DCGM_FI_DEV_GPU_TEMP", "gauge", "GPU temperature (in C).", lambda _, s: s.celsius),
    ("DCGM_FI_DEV_POWER_USAGE", "gauge", "Power draw (in W).", lambda _, s: s.watts),
    (
        "DCGM_FI_DEV_POWER_USAGE_INSTANT",
        "gauge",
        "Instantaneous power draw (in W).",
        lambda g, _: g.instant_watts,
    ),
    (
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
        "counter",
        "Total energy consumption since boot (in mJ).",
        lambda _, s: s.energy_joules * 1000,
    ),
    (
        "DCGM_FI_DEV_ENFORCED_POWER_LIMIT",
        "gauge",
        "Power limit that the driver enforces (in W).",
        lambda _, s: s.limit_watts,
    ),
    (
        "DCGM_FI_DEV_POWER_MGMT_LIMIT_MIN",
        "gauge",
        "Least power limit (in W).",
        lambda g, _: g.status.min_watts,
    ),
    (
        "DCGM_FI_DEV_POWER_MGMT_LIMIT_MAX",
        "gauge",
        "Greatest power limit (in W).",
        lambda g, _: g.status.max_watts,
    ),
    (
        "DCGM_FI_DEV_POWER_MGMT_LIMIT_DEF",
        "gauge",
        "Power limit at boot (in W).",
        lambda g, _: g.status.default_watts,
    ),
    ("DCGM_FI_DEV_MAX_SM_CLOCK", "gauge", "Fastest SM clock (in MHz).", lambda g, _: g.clock_max_mhz),
)
"""Name, type, help and value; help and units as dcgm-exporter has them."""


def exposition(view: View, node: str, pods: Iterable[PodGpus]) -> str:
    """Return the readings of a view in Prometheus's text format."""
    owners = {uuid: pod for pod in pods for uuid in pod.gpus}
    lines: list[str] = []
    for name, kind, text, read in FIELDS:
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        for gpu in view.gpus:
            value = None if gpu.sample is None else read(gpu, gpu.sample)
            if value is not None:
                lines.append(f"{name}{{{_labels(gpu, node, owners)}}} {_number(value)}")
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(round(value, 3))


def _labels(gpu: GpuLine, node: str, owners: Mapping[str, PodGpus]) -> str:
    owner = owners.get(gpu.status.uuid)
    labels = {
        "gpu": str(gpu.index),
        "UUID": gpu.status.uuid,
        "device": f"nvidia{gpu.index}",
        "modelName": gpu.status.product,
        "Hostname": node,
        "pod": "" if owner is None else owner.name,
        "namespace": "" if owner is None else owner.namespace,
    }
    return ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
