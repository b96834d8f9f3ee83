"""Promise 1 against agents that are slow, away, restarted, rebooted, blocked or apply in part.

After every step, for every domain whose written condition `Enforced` is True for its present spec, the sum of the
bounds of the limits that the devices really have, with overheads and reserved watts, is at most its budget.
"""

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.unit.controller.small_fleet import MAX, Loop, bound, domain

from wattline.api.base import ConditionStatus
from wattline.api.powerdomain import Mode

NODES = ("n1", "n2", "n3")
ROWS = ("row-a", "row-b")
OVERHEAD, RESERVED = 50.0, 30.0
nodes = st.sampled_from(NODES)


class PromiseOne(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.loop = Loop(
            domain("hall", watts=4000, node_overhead_watts=OVERHEAD),
            domain("row-a", watts=2400, parent="hall", nodes=("n1", "n2"), reserved_watts=RESERVED),
            domain("row-b", watts=1500, parent="hall", nodes=("n3",)),
            nodes=NODES,
        )
        self.unseen = set()
        """Nodes that changed by themselves, or joined, since the last pass that could know."""

    # what the loop does

    @rule()
    def a_pass(self):
        before = self.loop.specs()
        false_before = {name for name, verdict in self.verdicts().items() if not verdict}
        decisions = self.loop.settle()
        self.unseen = {n for n in self.unseen if not self.known(n)}
        for name in self.loop.domains:
            if self.loop.enforced(name).status is ConditionStatus.FALSE and self.mode(name) is Mode.ENFORCE:
                for node in self.under(name):
                    was, now = before.get(node), self.loop.store.get(node, (None, 0))[0]
                    if was is not None and was.enforce and now.enforce:
                        assert now.budget_watts <= was.budget_watts, (name, node, false_before)
        assert set(decisions.leases) <= set(self.loop.domains)

    @rule()
    def the_loop_restarts(self):
        self.loop.epoch += 1

    # what agents do

    @rule(node=nodes)
    def an_agent_fetches(self, node):
        self.loop.nodes[node].fetch(self.loop.store)

    @rule(node=nodes, split=st.floats(0, 1))
    def an_agent_writes(self, node, split):
        self.loop.nodes[node].write(split)

    @rule(node=nodes)
    def an_agent_publishes(self, node):
        self.loop.nodes[node].publish()

    @rule(node=nodes, split=st.floats(0, 1))
    def an_agent_follows(self, node, split):
        self.loop.nodes[node].follow(self.loop.store, split)

    @rule(node=nodes, watts=st.floats(0, 1500))
    def demand_moves(self, node, watts):
        self.loop.nodes[node].demand = watts
        self.loop.nodes[node].publish()

    @rule(node=nodes, answers=st.booleans())
    def an_agent_comes_and_goes(self, node, answers):
        self.loop.nodes[node].answers = answers

    @rule(node=nodes)
    def an_agent_restarts(self, node):
        agent = self.loop.nodes[node]
        agent.fetched, agent.observed = None, (0, 0)
        agent.publish()

    # what goes wrong

    @rule(node=nodes)
    def a_node_reboots(self, node):
        self.loop.nodes[node].reboot()
        self.loop.nodes[node].publish()
        self.unseen.add(node)

    @rule(node=nodes)
    def a_gpu_takes_no_limit_any_more(self, node):
        agent = self.loop.nodes[node]
        agent.stuck = {f"{node}-0"}

    @rule(node=nodes)
    def it_takes_limits_again(self, node):
        self.loop.nodes[node].stuck.clear()

    @rule(node=nodes)
    def somebody_else_writes_a_gpu(self, node):
        agent = self.loop.nodes[node]
        agent.contested = {f"{node}-1"}
        agent.limits[f"{node}-1"] = MAX
        agent.publish()
        self.unseen.add(node)

    @rule(node=nodes)
    def they_stop(self, node):
        self.loop.nodes[node].contested.clear()
        self.loop.nodes[node].publish()

    @rule(node=nodes)
    def a_gpu_appears(self, node):
        agent = self.loop.nodes[node]
        agent.limits.setdefault(f"{node}-2", MAX)
        agent.publish()
        self.unseen.add(node)

    # what users do

    @rule(name=st.sampled_from(("hall", *ROWS)), watts=st.floats(500, 5000))
    def a_budget_changes(self, name, watts):
        self.loop.change(name, watts=watts)

    @rule(name=st.sampled_from(("hall", *ROWS)), mode=st.sampled_from(Mode))
    def a_mode_changes(self, name, mode):
        self.loop.change(name, mode=mode)

    @rule(inside=st.booleans())
    def a_node_leaves_or_joins(self, inside):
        self.loop.change("row-a", nodes=("n1", "n2") if inside else ("n1",))
        self.unseen |= {"n2"} if inside else set()

    # what must hold

    @invariant()
    def what_may_be_drawn_fits(self):
        for name, holds in self.verdicts().items():
            if holds and not self.unseen & {*self.under(name), *self.leaving(name)}:
                assert self.truth(name) <= self.loop.domains[name].spec.budget.watts + 1e-3, name

    @precondition(lambda self: any(self.mode(n) is Mode.ENFORCE for n in self.loop.domains))
    @rule()
    def once_all_agents_answer_it_holds_or_the_floors_are_too_high(self):
        for agent in self.loop.nodes.values():
            agent.answers = True
            agent.stuck.clear()
            agent.contested.clear()
            agent.publish()
        self.loop.rounds(4)
        self.unseen.clear()
        for name in self.loop.domains:
            least = self.beside(name) + sum(
                len(self.loop.nodes[node].limits) * bound(200)
                for node in {*self.under(name), *self.leaving(name)}
            )
            if self.mode(name) is Mode.ENFORCE and least <= self.loop.domains[name].spec.budget.watts:
                assert self.loop.enforced(name).status is ConditionStatus.TRUE, self.loop.enforced(name)

    # how the test counts, on its own

    def mode(self, name):
        return self.loop.domains[name].spec.mode

    def known(self, node):
        agent = self.loop.nodes[node]
        return agent.status.boot_id == str(agent.boot)

    def under(self, name):
        rows = ROWS if name == "hall" else (name,)
        return [node for row in rows for node in self.loop.domains[row].spec.nodes]

    def leaving(self, name):
        """Nodes that a domain still pays for."""
        held = self.loop.store.get("n2", (None, 0))[0]
        return ["n2"] if held is not None and held.enforce and name != "row-b" else []

    def beside(self, name):
        members = {*self.under(name), *self.leaving(name)}
        overhead = OVERHEAD * len(members) if name == "hall" else 0
        return overhead + (0 if name == "row-b" else RESERVED)

    def truth(self, name):
        return self.beside(name) + math.fsum(
            self.loop.nodes[node].bound_watts for node in {*self.under(name), *self.leaving(name)}
        )

    def verdicts(self):
        return {
            name: self.loop.enforced(name).status is ConditionStatus.TRUE
            for name, each in self.loop.domains.items()
            if name in self.loop.statuses
            and self.loop.statuses[name].observed_generation == each.metadata.generation
            and each.spec.mode is Mode.ENFORCE
        }


TestPromiseOne = PromiseOne.TestCase
TestPromiseOne.settings = settings(deadline=None, max_examples=100, stateful_step_count=40)
