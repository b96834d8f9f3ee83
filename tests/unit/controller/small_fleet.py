"""A small fleet for tests of the reconcile loop: domains, nodes with H100s, and agents that do as they are told."""

import dataclasses
import math

from wattline.api.base import Metadata
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolSpec
from wattline.api.powerdomain import Budget, Mode, PowerDomain, PowerDomainSpec
from wattline.api.powernode import GpuStatus, NodeState, Outcome, PodGpus, PowerNodeStatus
from wattline.controller.decide import decide
from wattline.model.bounds import bound_watts
from wattline.model.cluster import ClusterView, NodeView
from wattline.model.fleet import Fleet
from wattline.model.wire import GpuSample, GpusView

H100 = "NVIDIA H100 80GB HBM3"
MIN, MAX = 200.0, 700.0
AT = "2026-01-01T00:00:00Z"


def bound(limit):
    return bound_watts(H100, limit, MAX)


def domain(name="row", *, watts=3000.0, parent=None, nodes=(), mode=Mode.ENFORCE, generation=1, **budget):
    return PowerDomain(
        metadata=Metadata(name=name, generation=generation),
        spec=PowerDomainSpec(parent=parent, nodes=nodes, mode=mode, budget=Budget(watts=watts, **budget)),
    )


def pool(name="coder", *, gpus=("n1-0",), node="n1", **spec):
    endpoint = Endpoint(name="a", url="http://127.0.0.1:8001", node=node, gpus=gpus)
    return InferencePool(
        metadata=Metadata(name=name, generation=1),
        spec=InferencePoolSpec(model="m", endpoints=(endpoint,), **spec),
    )


class Node:
    """One node: its devices' truth, and the agent's part in four steps (fetch, write, read back, publish)."""

    def __init__(self, name, gpus=2):
        self.name = name
        self.limits = {f"{name}-{i}": MAX for i in range(gpus)}
        self.boot = 1
        self.answers = True
        self.stuck = set()
        self.contested = set()
        self.demand = 0.0
        self.pods = {}
        """GPUs that the kubelet gave to each pod, by its full name; none on a box."""
        self.fetched = None
        self.observed = (0, 0)
        self.status = None
        self.publish()

    @property
    def bound_watts(self):
        return math.fsum(bound(limit) for limit in self.limits.values())

    def fetch(self, store):
        self.fetched = store.get(self.name, self.fetched)

    def write(self, split=0.5):
        """Set limits for the order that was fetched, one share of the budget for the first GPU."""
        if self.fetched is None:
            return
        spec, generation = self.fetched
        if spec.release and not spec.enforce:
            for uuid in self.limits.keys() - self.stuck - self.contested:
                self.limits[uuid] = MAX
        elif spec.enforce:
            free = spec.budget_watts - math.fsum(
                bound(limit if uuid in self.stuck | self.contested else MIN)
                for uuid, limit in self.limits.items()
            )
            shares = (
                [split, 1 - split] if len(self.limits) == 2 else [1 / len(self.limits)] * len(self.limits)
            )
            for uuid, part in zip(self.limits, shares, strict=True):
                if uuid not in self.stuck | self.contested:
                    self.limits[uuid] = min(MAX, (bound(MIN) + max(0.0, free) * part) / 1.02)
        self.observed = (spec.epoch, generation)

    def publish(self):
        state = NodeState.OBSERVING
        if self.fetched is not None:
            state = NodeState.ENFORCING if self.fetched[0].enforce else NodeState.RELEASED
        self.status = PowerNodeStatus(
            observed_generation=self.observed[1],
            epoch=self.observed[0],
            boot_id=str(self.boot),
            address=f"http://{self.name}",
            state=state,
            demand_watts=self.demand,
            gpus=tuple(
                GpuStatus(
                    uuid=uuid,
                    product=H100,
                    min_watts=MIN,
                    max_watts=MAX,
                    default_watts=MAX,
                    previous_watts=MAX,
                    enforced_watts=limit,
                    bound_watts=bound(MAX if uuid in self.contested else limit),
                    outcome=Outcome.BLOCKED if uuid in self.stuck else Outcome.APPLIED,
                    reason="Contested: set by another" if uuid in self.contested else "",
                )
                for uuid, limit in self.limits.items()
            ),
            pods=tuple(
                PodGpus(namespace=pod.partition("/")[0], name=pod.partition("/")[2], gpus=gpus)
                for pod, gpus in self.pods.items()
            ),
        )

    def follow(self, store, split=0.5):
        self.fetch(store)
        self.write(split)
        self.publish()

    def reboot(self):
        self.boot += 1
        self.limits = dict.fromkeys(self.limits, MAX)
        self.contested.clear()
        self.stuck.clear()
        self.fetched, self.observed = None, (0, 0)

    def view(self, store):
        spec, generation = store.get(self.name, (None, 0))
        readings = GpusView(
            node=self.name,
            boot_id=str(self.boot),
            at_seconds=0,
            gpus=tuple(
                GpuSample(
                    uuid=uuid,
                    product=H100,
                    energy_joules=0,
                    watts=100,
                    limit_watts=limit,
                    clock_mhz=1980,
                    celsius=50,
                    margin_celsius=30,
                )
                for uuid, limit in self.limits.items()
            ),
        )
        return NodeView(self.name, spec, generation, self.status, readings if self.answers else None)


class Loop:
    """The reconcile loop on objects in memory."""

    def __init__(self, *domains, pools=(), nodes=("n1", "n2")):
        self.domains = {each.metadata.name: each for each in domains}
        self.pools = pools
        self.nodes = {name: Node(name) for name in nodes}
        self.store = {}
        self.statuses = {}
        self.pool_statuses = {}
        self.epoch = 1

    def view(self):
        named = {node for each in self.domains.values() for node in each.spec.nodes} | self.store.keys()
        nodes = {
            name: self.nodes[name].view(self.store) if name in self.nodes else NodeView(name)
            for name in sorted(named)
        }
        fleet = Fleet(tuple(sorted(self.domains.values(), key=lambda d: d.metadata.name)), tuple(self.pools))
        return ClusterView(fleet, self.epoch, nodes, self.statuses, self.pool_statuses)

    def settle(self, at=AT):
        return self.keep(decide(self.view(), at))

    def keep(self, decisions):
        """Keep the statuses and orders that were decided, as an API server does."""
        self.statuses = dict(decisions.domains)
        self.pool_statuses = dict(decisions.pools)
        for name, spec in decisions.orders.items():
            was, generation = self.store.get(name, (None, 0))
            if was != spec:
                self.store[name] = (spec, generation + 1)
        return decisions

    def rounds(self, count=4):
        for _ in range(count):
            self.settle()
            for node in self.nodes.values():
                node.follow(self.store)
        return self.settle()

    def change(self, name, **spec):
        """Change a domain's spec, as a user does."""
        was = self.domains[name]
        budget = spec.pop("watts", None)
        if budget is not None:
            spec["budget"] = was.spec.budget.model_copy(update={"watts": budget})
        self.domains[name] = was.model_copy(
            update={
                "spec": was.spec.model_copy(update=spec),
                "metadata": was.metadata.model_copy(update={"generation": was.metadata.generation + 1}),
            }
        )

    def enforced(self, name="row"):
        return next(c for c in self.statuses[name].conditions if c.type == "Enforced")

    def budget(self, node):
        return self.store[node][0].budget_watts

    def specs(self):
        return {name: spec for name, (spec, _) in self.store.items()}


def replace(view, **changes):
    return dataclasses.replace(view, **changes)
