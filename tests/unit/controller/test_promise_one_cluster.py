"""Promise 1 in a cluster: pods come and go, nodes opt in and out, selectors and budgets change.

After every step, for every domain whose written condition `Enforced` is True for its present spec, what the devices
of its nodes may really draw is at most its budget; and nothing is let through that does not fit.
"""

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.unit.controller.small_cluster import Cluster, pool, row
from tests.unit.controller.small_fleet import bound

from wattline.api.base import ConditionStatus
from wattline.api.inferencepool import PoolPower, WattRange
from wattline.api.powerdomain import Mode, NodeSelector
from wattline.controller.replicas import resolve
from wattline.model.actions import Place
from wattline.model.affinity import allowed

NODES = ("n1", "n2", "n3")
ROWS = ("row-a", "row-b")
POOLS = {"agents/coder": 500.0, "agents/chat": 350.0}
OVERHEAD = 40.0
GPUS = 4
nodes = st.sampled_from(NODES)


class PromiseOneInACluster(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.cluster = Cluster(
            row("hall", watts=3300, labels={"hall": "1"}, node_overhead_watts=OVERHEAD),
            row("row-a", watts=2400, parent="hall"),
            row("row-b", watts=1900, parent="hall"),
            pools=[
                pool(name.partition("/")[2], power=PoolPower(watts_per_gpu=WattRange(min=watts)))
                for name, watts in POOLS.items()
            ],
            gpus=GPUS,
            row_a=("n1", "n2"),
            row_b=("n3",),
        )
        self.unseen = set()
        """Nodes that changed by themselves, or joined, since the last pass that could know."""

    # what the loop does

    @rule()
    def a_pass(self):
        before = self.cluster.specs()
        view = resolve(self.cluster.view())
        assert resolve(view) == view
        decisions = self.cluster.settle()
        self.unseen = {n for n in self.unseen if not self.known(n)}
        for node, spec in decisions.orders.items():
            was = before.get(node)
            if spec.enforce and not (was is not None and was.enforce):
                assert view.machines[node].held, "labelled before the first enforcing order"
        for name in self.cluster.domains:
            if not self.holds(name) and self.mode(name) is Mode.ENFORCE:
                for node in self.paid_by(name):
                    was, now = before.get(node), self.cluster.store.get(node, (None, 0))[0]
                    if was is not None and was.enforce and now is not None and now.enforce:
                        assert now.budget_watts <= was.budget_watts, (name, node)
        for place in (each for each in decisions.actions if isinstance(each, Place)):
            self.fits(view, place)

    def fits(self, view, place):
        """Each node a pod may go to has room for the floors, what runs there and what was let through, counted anew."""
        for host in place.nodes:
            node = host.removeprefix("host-")
            for name in self.above(node):
                if self.mode(name) is not Mode.ENFORCE:
                    continue
                members = [n for n in self.paid_by(name) if view.machines[n].managed]
                floors = sum(len(self.cluster.nodes[n].status.gpus) * bound(200) for n in members)
                may_be_here = [pod for pod in self.cluster.pods.values() if self.may_be_at(pod, members)]
                wanted = sum(self.wants(pod) for pod in may_be_here)
                beside = self.beside(name, members)
                budget = self.cluster.domains[name].spec.budget.watts
                assert floors + wanted + beside <= budget + 1e-3, (place, name)

    def may_be_at(self, pod, members):
        if pod.node or pod.gates:
            return pod.node in members
        labels = {n: self.cluster.machines[n].labels for n in members}
        return any(allowed(pod.affinity, {}, n, labels[n]) for n in members)

    @rule()
    def the_loop_restarts(self):
        self.cluster.epoch += 1

    # what Kubernetes and agents do

    @rule()
    def deployments_run(self):
        self.cluster.run()

    @rule()
    def the_scheduler_runs(self):
        self.cluster.schedule()

    @rule(data=st.data())
    def a_pod_ends(self, data):
        if self.cluster.pods:
            self.cluster.end(data.draw(st.sampled_from(sorted(self.cluster.pods))))

    @rule(node=nodes)
    def an_agent_fetches(self, node):
        self.cluster.nodes[node].fetch(self.cluster.store)

    @rule(node=nodes, split=st.floats(0, 1))
    def an_agent_writes(self, node, split):
        self.cluster.nodes[node].write(split)

    @rule(node=nodes)
    def an_agent_publishes(self, node):
        self.cluster.nodes[node].publish()

    @rule(split=st.floats(0, 1))
    def all_agents_follow(self, split):
        for node in self.cluster.nodes.values():
            node.follow(self.cluster.store, split)

    @rule(node=nodes, answers=st.booleans())
    def an_agent_comes_and_goes(self, node, answers):
        self.cluster.nodes[node].answers = answers

    @rule(node=nodes)
    def a_node_reboots(self, node):
        self.cluster.nodes[node].reboot()
        self.cluster.nodes[node].publish()
        self.unseen.add(node)

    # what people do

    @rule(node=nodes, into=st.booleans())
    def a_node_is_opted(self, node, into):
        if into and not self.cluster.machines[node].managed:
            self.unseen.add(node)
        self.cluster.opt(node, into=into)

    @rule(node=nodes, to=st.sampled_from((*ROWS, "nowhere")))
    def a_node_moves_to_another_row(self, node, to):
        if self.cluster.machines[node].labels["row"] != to:
            self.unseen.add(node)
        self.cluster.label(node, row=to)

    @rule(name=st.sampled_from(ROWS), to=st.sampled_from(ROWS))
    def a_selector_changes(self, name, to):
        self.cluster.change(name, node_selector=NodeSelector(match_labels={"row": to}))
        self.unseen |= set(NODES)

    @rule(name=st.sampled_from(ROWS), parent=st.sampled_from(("hall", "hal", None)))
    def a_parent_changes(self, name, parent):
        self.cluster.change(name, parent=parent)
        self.unseen |= set(NODES)

    @rule(name=st.sampled_from(("hall", *ROWS)), watts=st.floats(900, 4500))
    def a_budget_changes(self, name, watts):
        self.cluster.change(name, watts=watts)

    @rule(name=st.sampled_from(("hall", *ROWS)), mode=st.sampled_from(Mode))
    def a_mode_changes(self, name, mode):
        self.cluster.change(name, mode=mode)

    @rule(name=st.sampled_from(sorted(POOLS)), replicas=st.integers(0, 4))
    def a_pool_is_scaled(self, name, replicas):
        self.cluster.ask(name, replicas=replicas)

    # what must hold

    @invariant()
    def what_may_be_drawn_fits(self):
        for name, domain in self.cluster.domains.items():
            paid = self.paid_by(name)
            if self.holds(name) and not self.unseen & {*paid}:
                truth = math.fsum(self.cluster.nodes[n].bound_watts for n in paid) + self.beside(name, paid)
                assert truth <= domain.spec.budget.watts + 1e-3, (name, paid)

    @invariant()
    def no_gpu_runs_two_replicas(self):
        gpus = [
            uuid
            for status in self.cluster.pool_statuses.values()
            for e in status.endpoints
            for uuid in e.gpus
        ]
        assert len(gpus) == len(set(gpus))

    @rule()
    def once_everything_is_sound_it_holds_or_the_floors_are_too_high(self):
        for name in ROWS:
            self.cluster.change(name, parent="hall", node_selector=NodeSelector(match_labels={"row": name}))
        for agent in self.cluster.nodes.values():
            agent.answers = True
            agent.publish()
        self.cluster.rounds(6)
        self.unseen.clear()
        for name, domain in self.cluster.domains.items():
            paid = self.paid_by(name)
            least = self.beside(name, paid) + GPUS * bound(200) * len(paid)
            if self.mode(name) is Mode.ENFORCE and least <= domain.spec.budget.watts:
                assert self.cluster.enforced(name).status is ConditionStatus.TRUE, self.cluster.enforced(name)

    # how the test counts, on its own

    def mode(self, name):
        return self.cluster.domains[name].spec.mode

    def wants(self, pod):
        pool = next(name for name in POOLS if pod.full_name.startswith(f"{name}-"))
        return bound(POOLS[pool]) - bound(200)

    def known(self, node):
        agent = self.cluster.nodes[node]
        return agent.status.boot_id == str(agent.boot)

    def above(self, node):
        """Domains above a node that is opted in and selected by one sound row."""
        rows = [r for r in ROWS if self.selects(r, node)]
        return self.chain(rows[0]) if len(rows) == 1 and self.sound(rows[0]) else []

    def chain(self, name):
        parent = self.cluster.domains[name].spec.parent
        return [name] if parent is None else [name, parent]

    def sound(self, name):
        return self.cluster.domains[name].spec.parent != "hal"

    def selects(self, name, node):
        machine = self.cluster.machines[node]
        return machine.managed and self.cluster.domains[name].spec.node_selector.selects(machine.labels)

    def paid_by(self, name):
        """Nodes whose watts count in a domain: declared under it, still held under it, or standing under it."""
        return [node for node in NODES if name in self.payers(node)]

    def payers(self, node):
        order = self.cluster.store.get(node, (None, 0))[0]
        was = "" if order is None else order.domain
        rows = [r for r in ROWS if self.selects(r, node)]
        if not all(self.sound(r) for r in {*rows, was} if r in self.cluster.domains):
            return [] if order is None else [order.lease.name]
        if len(rows) > 1:
            shared = all(self.cluster.domains[r].spec.parent == "hall" for r in rows)
            return self.chain(was) if was in rows else ["hall"] if shared else []
        if rows:
            return self.chain(rows[0])
        held = order is not None and order.enforce and was in self.cluster.domains
        return self.chain(was) if held and any(self.mode(n) is Mode.ENFORCE for n in self.chain(was)) else []

    def beside(self, name, members):
        return OVERHEAD * len(members) if name == "hall" else 0.0

    def holds(self, name):
        status = self.cluster.statuses.get(name)
        domain = self.cluster.domains[name]
        return (
            status is not None
            and status.observed_generation == domain.metadata.generation
            and domain.spec.mode is Mode.ENFORCE
            and self.cluster.enforced(name).status is ConditionStatus.TRUE
        )


TestPromiseOneInACluster = PromiseOneInACluster.TestCase
TestPromiseOneInACluster.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)
