"""What the operator tells Prometheus of its last pass, and of itself where there is none."""

import dataclasses

from prometheus_client import CollectorRegistry, generate_latest
from tests.unit.controller.small_fleet import Loop, domain, pool

from wattline.api.agentworkflow import AgentWorkflowStatus
from wattline.api.powerdomain import Mode
from wattline.api.workflowrun import Phase
from wattline.controller.balance import Pass
from wattline.controller.metrics import BalanceCollector
from wattline.controller.tally import Tally
from wattline.model.actions import Label, Taint
from wattline.model.errors import ClusterError


def scraped(tally, now=100.0):
    registry = CollectorRegistry()
    registry.register(BalanceCollector(tally, lambda: now))
    return set(generate_latest(registry).decode().splitlines())


def passed(loop, actions=()):
    decisions = dataclasses.replace(loop.rounds(), actions=actions)
    return Pass(loop.view(), decisions, at_seconds=90.0, took_seconds=0.25)


def test_a_pass_tells_budgets_draws_and_conditions():
    loop = Loop(
        domain("hall", watts=9000.0, nodes=(), mode=Mode.OBSERVE),
        domain(parent="hall", nodes=("n1", "n2"), node_overhead_watts=100.0, reserved_watts=300.0),
        pools=(pool(),),
    )
    tally = Tally()
    tally.ended(passed(loop))

    assert scraped(tally) >= {
        'wattline_domain_info{domain="row",mode="Enforce",parent="hall"} 1.0',
        'wattline_domain_info{domain="hall",mode="Observe",parent=""} 1.0',
        'wattline_domain_budget_watts{domain="row"} 3000.0',
        'wattline_domain_beside_watts{domain="row"} 500.0',
        'wattline_domain_draw_watts{domain="row"} 400.0',
        'wattline_domain_condition{domain="row",reason="WithinBudget",status="True",type="Enforced"} 1.0',
        'wattline_node_info{domain="row",node="n1"} 1.0',
        'wattline_node_agent_up{node="n2"} 1.0',
        'wattline_pool_replicas{pool="coder"} 1.0',
        'wattline_pool_ready_replicas{pool="coder"} 1.0',
        "wattline_operator_pass_age_seconds 10.0",
        "wattline_operator_pass_duration_seconds 0.25",
        "wattline_operator_leading 1.0",
    }


def test_a_workflow_is_in_one_phase_or_in_none():
    tally = Tally()
    done = passed(Loop(domain(nodes=("n1", "n2"))))
    workflows = {
        "agents/runs": AgentWorkflowStatus(phase=Phase.RUNNING),
        "agents/elsewhere": AgentWorkflowStatus(phase=None),
    }
    tally.ended(dataclasses.replace(done, decisions=dataclasses.replace(done.decisions, workflows=workflows)))
    lines = {line for line in scraped(tally) if line.startswith("wattline_workflow_phase{")}

    assert 'wattline_workflow_phase{phase="Running",workflow="agents/runs"} 1.0' in lines
    assert len([line for line in lines if line.endswith(" 1.0")]) == 1
    assert len(lines) == 2 * len(Phase)


def test_passes_and_actions_are_counted():
    tally = Tally()
    done = passed(
        Loop(domain(nodes=("n1", "n2"))), (Taint("n1", True), Taint("n2", True), Label("n1", "a", None))
    )
    tally.ended(done)
    tally.ended(done)
    tally.abandoned(ClusterError("the API server is away"))

    assert scraped(tally) >= {
        'wattline_operator_passes_total{result="whole"} 2.0',
        'wattline_operator_passes_total{result="abandoned"} 1.0',
        'wattline_operator_actions_total{action="taint"} 4.0',
        'wattline_operator_actions_total{action="label"} 2.0',
    }


def test_a_process_that_does_not_lead_tells_of_no_objects():
    tally = Tally()
    tally.ended(passed(Loop(domain(nodes=("n1", "n2")))))
    tally.follow()
    lines = {line.partition("{")[0].partition(" ")[0] for line in scraped(tally) if not line.startswith("#")}

    assert lines == {"wattline_operator_leading", "wattline_operator_passes_total"}
    assert "wattline_operator_leading 0.0" in scraped(tally)
