"""A status is written at once when an outcome changes and rarely otherwise; metrics are the last view."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from tests.unit.agent.rig import but, rig, spec

from wattline.api.powernode import NodeState, PodGpus
from wattline.model.gpu import EventReason
from wattline_agent.metrics import AgentCollector
from wattline_agent.pods import Mapped
from wattline_agent.status import Due, status


def test_the_first_status_is_due_at_once(tmp_path):
    here = rig(tmp_path).run(0.2)

    assert Due().now(status(here.view(), "http://a", here.at_seconds), here.at_seconds)


@pytest.mark.parametrize(
    ("change", "after_seconds", "want"),
    [
        pytest.param({}, 59, False, id="nothing new: not before a minute"),
        pytest.param({}, 60, True, id="nothing new: after a minute"),
        pytest.param({"observed_generation": 2}, 0.2, True, id="an order is acknowledged"),
        pytest.param({"state": NodeState.FAILSAFE}, 0.2, True, id="another state"),
        pytest.param({"bound_watts": 1.0}, 0.2, False, id="watts move inside the order"),
        pytest.param({"demand_watts": 2000.0}, 0.2, False, id="the demand jumps"),
        pytest.param({"demand_watts": 2000.0}, 10, True, id="the demand stays up"),
    ],
)
def test_when_a_status_is_due(tmp_path, change, after_seconds, want):
    here = rig(tmp_path).enforced(spec(1000.0))
    due, first = Due(), status(here.view(), "http://a", here.at_seconds)
    due.wrote(first, 0.0)

    assert due.now(first.model_copy(update=change), after_seconds) is want


def test_an_outcome_that_changes_is_due_at_once(tmp_path):
    here = rig(tmp_path).enforced(spec(1000.0))
    due, first = Due(), status(here.view(), "http://a", here.at_seconds)
    due.wrote(first, 0.0)
    here.device.gpus["G0"].lost = True
    here.run(0.2)

    assert due.now(status(here.view(), "http://a", here.at_seconds), 0.2)


def test_a_silent_device_process_is_told_as_degraded(tmp_path):
    here = rig(tmp_path).enforced(spec(1000.0))
    view = here.view()

    assert status(view, "", view.at_seconds + 9).state is NodeState.ENFORCING
    assert status(view, "", view.at_seconds + 11).state is NodeState.DEGRADED


def scraped(here, pods=None) -> set[str]:
    registry = CollectorRegistry()
    seen = Mapped() if pods is None else pods
    registry.register(AgentCollector("n1", here.view, lambda: seen, lambda: here.at_seconds))
    return set(generate_latest(registry).decode().splitlines())


def test_metrics_say_intent_enforcement_and_safety(tmp_path):
    here = rig(tmp_path, 1).enforced(but(spec(500.0, gpus=1), replicas=()))

    assert scraped(here) >= {
        'wattline_agent_gpu_power_limit_watts{gpu_uuid="G0",kind="enforced",node="n1"} 490.196',
        'wattline_agent_gpu_power_limit_watts{gpu_uuid="G0",kind="requested",node="n1"} 490.196',
        'wattline_agent_gpu_clock_hertz{gpu_uuid="G0",kind="max",node="n1"} 1.98e+09',
        'wattline_agent_gpu_outcome{gpu_uuid="G0",node="n1",outcome="applied",reason="BudgetShared"} 1.0',
        'wattline_agent_gpu_thermal_band{band="release",gpu_uuid="G0",node="n1"} 1.0',
        'wattline_agent_actuations_total{actuator="limit",direction="down",node="n1",result="applied"} 1.0',
        'wattline_agent_state{node="n1",state="Enforcing"} 1.0',
        'wattline_agent_budget_watts{node="n1"} 500.0',
    }


def test_an_order_that_only_observes_still_says_what_it_would_set(tmp_path):
    here = rig(tmp_path, 1).enforced(but(spec(500.0, gpus=1), enforce=False, replicas=()))
    limits = {
        line.split('kind="')[1].split('"')[0]: float(line.split()[-1])
        for line in scraped(here)
        if line.startswith("wattline_agent_gpu_power_limit_watts{")
    }

    assert limits["policy"] == pytest.approx(490.2, abs=0.1)
    assert limits["enforced"] == 700.0


def test_a_lost_gpu_has_no_readings_but_still_a_bound(tmp_path):
    here = rig(tmp_path, 1).enforced(spec(500.0, gpus=1))
    here.device.gpus["G0"].lost = True
    here.run(1.0)
    lines = scraped(here)

    assert not any(line.startswith("wattline_agent_gpu_power_watts{") for line in lines)
    assert 'wattline_agent_bound_watts{node="n1"} 714.0' in lines
    assert 'wattline_agent_gpu_outcome{gpu_uuid="G0",node="n1",outcome="error",reason="GpuLost"} 1.0' in lines


def test_metrics_say_how_long_writes_took_and_for_how_long_which_reason_held_the_clock(tmp_path):
    here = rig(tmp_path, 1)
    here.device.gpus["G0"].reasons = EventReason.SW_POWER_CAP | EventReason.HW_THERMAL
    here.enforced(but(spec(500.0, gpus=1), replicas=()), 5.0)
    lines = scraped(here)

    assert lines >= {
        'wattline_agent_actuation_duration_seconds_bucket{actuator="limit",le="0.01",node="n1"} 0.0',
        'wattline_agent_actuation_duration_seconds_bucket{actuator="limit",le="0.025",node="n1"} 1.0',
        'wattline_agent_actuation_duration_seconds_bucket{actuator="limit",le="+Inf",node="n1"} 1.0',
        'wattline_agent_actuation_duration_seconds_count{actuator="limit",node="n1"} 1.0',
        'wattline_agent_actuation_duration_seconds_sum{actuator="limit",node="n1"} 0.02',
        'wattline_agent_ready{node="n1"} 1.0',
    }
    held = next(line for line in lines if "clock_event_seconds_total" in line and "sw_power_cap" in line)
    assert 4.0 <= float(held.split()[1]) <= 5.0
    assert 'wattline_agent_gpu_clock_event_seconds_total{gpu_uuid="G0",node="n1",reason="idle"} 0.0' in lines


def test_metrics_say_which_pod_has_which_gpu_and_how_many_devices_lead_nowhere(tmp_path):
    pods = Mapped((PodGpus(namespace="agents", name="coder-0", gpus=("G0",)),), ("a/b has x",))

    assert scraped(rig(tmp_path, 1).run(0.4), pods) >= {
        'wattline_agent_gpu_pod_info{gpu_uuid="G0",namespace="agents",node="n1",pod="coder-0"} 1.0',
        'wattline_agent_unmapped_devices{node="n1"} 1.0',
        'wattline_agent_gpu_info{gpu="0",gpu_uuid="G0",model="NVIDIA H100 80GB HBM3",node="n1"} 1.0',
    }
