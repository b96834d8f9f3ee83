"""``/metrics``: intent, enforcement and safety of this node's GPUs, built at scrape time from the last view."""

from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from wattline.api.powernode import NodeState, Outcome
from wattline.model.gpu import EventReason
from wattline_agent.messages import GpuLine, SpreadSeen, View
from wattline_agent.metrics_budget import budget_metrics
from wattline_agent.pods import Mapped
from wattline_agent.safety import Band

GPU = ("node", "gpu_uuid")

COUNTERS = {
    "actuations": ("Writes to devices.", ("actuator", "direction", "result")),
    "limit_drift": ("Settings of ours found changed.", ("cause",)),
    "sensor_failures": ("Readings that failed.", ("reason",)),
    "gpu_lost": ("Times a GPU stopped answering.", ()),
    "readback_mismatch": ("Writes that read back as something else.", ()),
    "failsafe_activations": ("Times the lease ended.", ()),
    "nvml_reinit": ("Times the driver was opened again.", ()),
    "state_file_errors": ("Times the record of previous values could not be read or written.", ()),
    "control_loop_overruns": ("Safety passes that came late by a whole period or more.", ()),
}

SPREADS = {
    "actuation_duration": ("How long the driver took to take a write.", ("actuator",)),
    "control_loop_duration": ("How long a safety pass took.", ()),
}


class AgentCollector(Collector):
    """All metrics of one agent; nothing is kept between scrapes."""

    def __init__(
        self,
        node: str,
        seen: Callable[[], View | None],
        pods: Callable[[], Mapped],
        now: Callable[[], float],
    ) -> None:
        self._node = node
        self._seen = seen
        self._pods = pods
        self._now = now

    def collect(self) -> Iterable[Metric]:
        """Yield every metric of the last view."""
        view = self._seen()
        if view is None:
            return
        yield from self._node_metrics(view)
        yield from budget_metrics(self._node, view)
        yield from self._gpu_metrics(view)
        yield from self._pod_metrics()
        for name, (text, labels) in SPREADS.items():
            histogram = HistogramMetricFamily(
                f"wattline_agent_{name}_seconds", text, labels=("node", *labels)
            )
            for spread in view.spreads:
                if spread.name == name:
                    histogram.add_metric((self._node, *spread.labels), _buckets(spread), spread.total_seconds)
            yield histogram
        for name, (text, labels) in COUNTERS.items():
            family = CounterMetricFamily(f"wattline_agent_{name}", text, labels=("node", *labels))
            for count in view.counts:
                if count.name == name:
                    family.add_metric((self._node, *count.labels), count.value)
            yield family

    def _node_metrics(self, view: View) -> Iterable[Metric]:
        node = (self._node,)
        for name, text, value in (
            ("sensor_age_seconds", "Age of the last view of the devices.", self._now() - view.at_seconds),
            ("lease_remaining_seconds", "Time the order stays in force.", view.lease_remaining_seconds),
            ("bound_watts", "Most that the GPUs can draw under the limits read back.", view.bound_watts),
            ("demand_watts", "What they would draw at the clocks their objectives need.", view.demand_watts),
            ("heat_freed_watts", "What GPUs that heat holds back want less.", view.heat_freed_watts),
            ("budget_watts", "Tightest budget in force.", view.budget_watts),
            ("observed_generation", "Generation of the order in force.", view.observed_generation),
            ("ready", "Whether new work may start here.", not view.waiting),
        ):
            family = GaugeMetricFamily(f"wattline_agent_{name}", text, labels=("node",))
            if value is not None:
                family.add_metric(node, value)
            yield family
        state = GaugeMetricFamily("wattline_agent_state", "State of the agent.", labels=("node", "state"))
        for each in NodeState:
            state.add_metric((self._node, each), each is view.state)
        yield state

    def _pod_metrics(self) -> Iterable[Metric]:
        seen = self._pods()
        info = GaugeMetricFamily(
            "wattline_agent_gpu_pod_info", "Which pod has the GPU.", labels=(*GPU, "namespace", "pod")
        )
        for pod in seen.pods:
            for uuid in pod.gpus:
                info.add_metric((self._node, uuid, pod.namespace, pod.name), 1)
        yield info
        lost = GaugeMetricFamily(
            "wattline_agent_unmapped_devices", "Devices of pods that lead to no GPU.", labels=("node",)
        )
        lost.add_metric((self._node,), len(seen.unmapped))
        yield lost

    def _gpu_metrics(self, view: View) -> Iterable[Metric]:
        info = GaugeMetricFamily("wattline_agent_gpu_info", "The GPUs.", labels=(*GPU, "gpu", "model"))
        power = GaugeMetricFamily("wattline_agent_gpu_power_watts", "Draw.", labels=(*GPU, "mode"))
        energy = CounterMetricFamily(
            "wattline_agent_gpu_energy_joules", "Energy since driver load.", labels=GPU
        )
        limit = GaugeMetricFamily(
            "wattline_agent_gpu_power_limit_watts", "Power limits.", labels=(*GPU, "kind")
        )
        clock = GaugeMetricFamily("wattline_agent_gpu_clock_hertz", "SM clocks.", labels=(*GPU, "kind"))
        heat = GaugeMetricFamily("wattline_agent_gpu_temperature_celsius", "Temperature.", labels=GPU)
        margin = GaugeMetricFamily("wattline_agent_gpu_thermal_margin_celsius", "Degrees left.", labels=GPU)
        yield from _foreseen(self._node, view)
        band = GaugeMetricFamily("wattline_agent_gpu_thermal_band", "Thermal band.", labels=(*GPU, "band"))
        event = GaugeMetricFamily(
            "wattline_agent_gpu_clock_event_active", "Why the clock is low.", labels=(*GPU, "reason")
        )
        seconds = CounterMetricFamily(
            "wattline_agent_gpu_clock_event_seconds",
            "How long which reason kept the clock low.",
            labels=(*GPU, "reason"),
        )
        for gpu in view.gpus:
            for reason in EventReason:
                word = reason.name or ""
                total = gpu.event_seconds.get(
                    word, 0.0
                )  # zeros too, so that the first second is seen to come
                seconds.add_metric((self._node, gpu.status.uuid, word.lower()), total)
        yield seconds
        outcome = GaugeMetricFamily(
            "wattline_agent_gpu_outcome",
            "What became of the last request.",
            labels=(*GPU, "outcome", "reason"),
        )
        for gpu in view.gpus:
            self._gpu(gpu, info, power, energy, limit, clock, heat, margin, band, event, outcome)
        yield from (info, power, energy, limit, clock, heat, margin, band, event, outcome)

    def _gpu(
        self,
        gpu: GpuLine,
        info: GaugeMetricFamily,
        power: GaugeMetricFamily,
        energy: CounterMetricFamily,
        limit: GaugeMetricFamily,
        clock: GaugeMetricFamily,
        heat: GaugeMetricFamily,
        margin: GaugeMetricFamily,
        band: GaugeMetricFamily,
        event: GaugeMetricFamily,
        outcome: GaugeMetricFamily,
    ) -> None:
        status, sample = gpu.status, gpu.sample
        labels = (self._node, status.uuid)
        info.add_metric((*labels, str(gpu.index), status.product), 1)
        for kind, watts in (
            ("policy", gpu.policy_watts),
            ("requested", status.requested_watts),
            ("enforced", status.enforced_watts),
            ("default", status.default_watts),
            ("min", status.min_watts),
            ("max", status.max_watts),
        ):
            if watts is not None:
                limit.add_metric((*labels, kind), watts)
        for kind, mhz in (
            ("current", None if sample is None else sample.clock_mhz),
            ("requested_max", gpu.clock_asked_mhz),
            ("max", gpu.clock_max_mhz),
        ):
            if mhz is not None:
                clock.add_metric((*labels, kind), mhz * 1e6)
        for each in Band:
            band.add_metric((*labels, each), each == gpu.thermal_band)
        for each_outcome in Outcome:
            word = status.reason.partition(":")[0] if each_outcome is status.outcome else ""
            outcome.add_metric((*labels, each_outcome, word), each_outcome is status.outcome)
        if sample is None:
            return
        power.add_metric((*labels, "average"), sample.watts)
        if gpu.instant_watts is not None:
            power.add_metric((*labels, "instant"), gpu.instant_watts)
        energy.add_metric(labels, sample.energy_joules)
        heat.add_metric(labels, sample.celsius)
        if gpu.thermal_margin_celsius is not None:
            margin.add_metric(labels, gpu.thermal_margin_celsius)
        for reason in EventReason:
            name = reason.name or ""
            event.add_metric((*labels, name.lower()), name in sample.event_reasons)


def _foreseen(node: str, view: View) -> Iterable[Metric]:
    """Yield what the fitted thermal response says of each GPU."""
    for name, text, value in (
        (
            "ahead",
            "Degrees left in ten seconds; absent while not known well enough.",
            "thermal_ahead_celsius",
        ),
        ("fit_error", "How far such predictions were off in the last minute.", "thermal_error_celsius"),
    ):
        family = GaugeMetricFamily(f"wattline_agent_gpu_thermal_{name}_celsius", text, labels=GPU)
        for gpu in view.gpus:
            if (celsius := getattr(gpu, value)) is not None:
                family.add_metric((node, gpu.status.uuid), celsius)
        yield family


def _buckets(spread: SpreadSeen) -> list[tuple[str, float]]:
    """Return the buckets as Prometheus counts them, each with all below it."""
    total, buckets = 0, []
    for bound, count in zip((*map(str, spread.bounds_seconds), "+Inf"), spread.counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets
