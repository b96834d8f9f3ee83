"""Label values that queries ask for are words that the code says; a misspelt one would be empty for ever."""

import json

import promql_parser as promql
import pytest
import yaml
from dashboards.labels import STAND_INS
from tests.unit.dashboards.test_rules import FILES, ROOT

from wattline.api.agentworkflow import OnExceeded
from wattline.api.base import ConditionStatus
from wattline.api.powerdomain import Mode
from wattline.api.powernode import NodeState, Outcome
from wattline.gateway.refusal import Reason
from wattline.model.gpu import EventReason
from wattline_agent.budget import Kind
from wattline_agent.safety import Band

WORDS = {
    ("wattline_agent_budget_source_watts", "source"): set(Kind),
    ("wattline_agent_gpu_clock_event_seconds_total", "reason"): {each.name.lower() for each in EventReason},
    ("wattline_agent_gpu_clock_hertz", "kind"): {"current", "requested_max", "max"},
    ("wattline_agent_gpu_outcome", "outcome"): set(Outcome),
    ("wattline_agent_gpu_outcome", "reason"): {"Contested", "GpuLost"},
    ("wattline_agent_gpu_power_limit_watts", "kind"): {"requested", "enforced", "default", "min", "max"},
    ("wattline_agent_gpu_power_watts", "mode"): {"average", "instant"},
    ("wattline_agent_gpu_thermal_band", "band"): set(Band),
    ("wattline_agent_state", "state"): set(NodeState),
    ("wattline_domain_condition", "type"): {"Accepted", "Enforced", "Released"},
    ("wattline_domain_condition", "status"): set(ConditionStatus),
    ("wattline_domain_condition", "reason"): {"Observing", "Restored"},
    ("wattline_domain_info", "mode"): set(Mode),
    ("wattline_gateway_energy_joules_total", "bucket"): {"attributed", "idle", "foreign"},
    ("wattline_gateway_refusals_total", "reason"): set(Reason),
    ("wattline_gateway_requests_total", "outcome"): {"answered", "refused", "failed", "broken", "left"},
    ("wattline_gateway_tokens_total", "kind"): {"prompt", "cached", "recomputed", "completion"},
    ("wattline_operator_passes_total", "result"): {"whole", "abandoned"},
    ("wattline_pool_memory_threshold_ratio", "threshold"): {"protectAbove", "admitBelow", "neverAbove"},
    ("wattline_workflow_runs_over_budget_total", "action"): set(OnExceeded),
}


def queries():
    for path in FILES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from (rule["expr"] for rule in group["rules"])
    for path in sorted((ROOT / "charts/wattline/dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            yield from (target["expr"] for target in panel.get("targets") or ())


def asked():
    """Yield name, label and value of every matcher that does not hold a variable."""
    found = set()

    def visit(node):
        selector = node.vector_selector if isinstance(node, promql.MatrixSelector) else node
        if isinstance(selector, promql.VectorSelector):
            for matcher in selector.matchers.matchers:
                found.update((selector.name, matcher.name, word) for word in matcher.value.split("|"))

    for expr in queries():
        for variable, value in STAND_INS.items():
            expr = expr.replace(variable, value)  # noqa: PLW2901 - the same query, readable
        promql.walk(promql.parse(expr), pre_visit=visit)
    return sorted(each for each in found if not each[2].startswith("$"))


@pytest.mark.parametrize(("name", "label", "word"), asked())
def test_a_word_that_is_asked_for_is_said_somewhere(name, label, word):
    assert word in WORDS[name, label]
