"""What-if edits of a fleet: what they change, and what is said where they cannot."""

import pytest

from wattline.api.base import Metadata
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolSpec
from wattline.api.powerdomain import Budget, PowerDomain, PowerDomainSpec
from wattline.model.fleet import Fleet
from wattline.sim.changes import BudgetChange, Do, ReplicaChange
from wattline.study.edits import (
    EditError,
    budget_changes,
    replica_changes,
    with_budgets,
    with_replicas,
)


def domain(name, watts=20000.0, reserved=0.0):
    budget = Budget(watts=watts, reserved_watts=reserved)
    return PowerDomain(metadata=Metadata(name=name), spec=PowerDomainSpec(nodes=("n1",), budget=budget))


def pool(name, namespace=None, endpoints=4):
    listed = tuple(
        Endpoint(name=f"r{i}", url=f"http://127.0.0.1:{8100 + i}", node="n1", gpus=(f"GPU-{i}",))
        for i in range(endpoints)
    )
    spec = InferencePoolSpec(model="some/model", endpoints=listed)
    return InferencePool(metadata=Metadata(name=name, namespace=namespace), spec=spec)


def fleet():
    return Fleet((domain("row-a"), domain("row-b", reserved=5000.0)), (pool("coder", "agents"), pool("chat")))


@pytest.mark.parametrize(
    ("edits", "watts"),
    [
        pytest.param(["row-a=18000"], 18000, id="watts"),
        pytest.param(["row-a=18000W"], 18000, id="watts with their unit"),
        pytest.param(["row-a=-10%"], 18000, id="a tenth less"),
        pytest.param(["row-a=+10%"], 22000, id="a tenth more"),
        pytest.param(["row-a=90%"], 18000, id="a share of what it was"),
        pytest.param(["row-a=-2000"], 18000, id="watts less"),
        pytest.param(["row-a=+500"], 20500, id="watts more"),
        pytest.param(["row-a=-10%", "row-a=-10%"], 16200, id="twice, one after the other"),
    ],
)
def test_a_budget_becomes_another(edits, watts):
    after = with_budgets(fleet(), edits)

    assert after.domains[0].spec.budget.watts == pytest.approx(watts)
    assert after.domains[1] == fleet().domains[1]
    assert after.pools == fleet().pools


@pytest.mark.parametrize(("name", "index"), [("agents/coder", 0), ("coder", 0), ("chat", 1)])
def test_a_pool_is_meant_by_its_name_with_or_without_its_namespace(name, index):
    after = with_replicas(fleet(), [f"{name}=2"])

    assert len(after.pools[index].spec.active()) == 2
    assert len(after.pools[1 - index].spec.active()) == 4


def test_a_budget_for_later_changes_nothing_at_the_start():
    edits = ["row-a=18000", "row-a=-10%@2h", "row-b=19000@90s"]
    before = with_budgets(fleet(), edits)

    assert before.domains[0].spec.budget.watts == 18000
    assert budget_changes(before, edits) == (
        BudgetChange(7200.0, "row-a", 16200.0), BudgetChange(90.0, "row-b", 19000.0),
    )  # fmt: skip


def test_replicas_fail_and_come_back_when_it_is_said():
    assert replica_changes(fleet(), ["coder/r0=stop@30min", "chat/r1=deep-sleep@1.5h"]) == (
        ReplicaChange(1800.0, "agents/coder", "r0", Do.STOP), ReplicaChange(5400.0, "chat", "r1", Do.DEEP_SLEEP),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda: with_budgets(fleet(), ["row-a"]), "'row-a' is not NAME=VALUE, e.g. row-a=-10%"),
        (lambda: with_budgets(fleet(), ["rowa=-10%"]), "no PowerDomain named rowa, did you mean row-a?; there is: row-a, row-b"),
        (lambda: with_budgets(fleet(), ["row-a=a lot"]), r"expected watts \(18000\), a change \(\+500, -2000\) or a share"),
        (lambda: with_budgets(fleet(), ["row-a=-100%"]), "a budget of 0 W cannot be"),
        (lambda: with_budgets(fleet(), ["row-b=4000"]), "reservedWatts 5000 leaves nothing of watts 4000"),
        (lambda: with_replicas(fleet(), ["coder=6"]), "the pool lists 4 endpoints; add endpoints"),
        (lambda: with_replicas(fleet(), ["coder=some"]), "expected a number of replicas, 1 or more"),
        (lambda: with_replicas(fleet(), ["coder=0"]), "expected a number of replicas, 1 or more"),
        (lambda: with_replicas(fleet(), ["cooder=2"]), "no InferencePool named cooder.*there is: agents/coder, chat"),
        (lambda: with_budgets(Fleet(), ["row-a=1"]), "there is: none"),
        (lambda: with_budgets(fleet(), ["row-a=1@noon"]), "noon is no time; write 600s, 30min or 2h"),
        (lambda: budget_changes(fleet(), ["row=1@2h"]), "no PowerDomain named row"),
        (lambda: replica_changes(fleet(), ["coder/r0=stop"]), "say when, in s, min or h"),
        (lambda: replica_changes(fleet(), ["coder=stop@2h"]), "name the replica as POOL/REPLICA"),
        (lambda: replica_changes(fleet(), ["coder/r0=explode@2h"]), "explode happens to no replica; there is: stop, drain"),
        (lambda: replica_changes(fleet(), ["coda/r0=stop@2h"]), "no InferencePool named coda"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_with_its_remedy(edit, said):
    with pytest.raises(EditError, match=said):
        edit()
