"""A small Kubernetes cluster for tests of the reconcile loop: labelled machines, pods, a scheduler, a kubelet."""

import dataclasses
import itertools

from tests.unit.controller.small_fleet import AT, Loop, Node

from wattline.api.base import Metadata
from wattline.api.inferencepool import InferencePool, InferencePoolSpec, PodTemplate
from wattline.api.powerdomain import Budget, Mode, NodeSelector, PowerDomain, PowerDomainSpec
from wattline.controller.decide import decide
from wattline.controller.replicas import resolve
from wattline.model.actions import Apply, Delete, Forget, Label, Place, Say, Scale, Taint
from wattline.model.affinity import HOSTNAME, NodeTaint, Requirement, allowed, kept_away
from wattline.model.cluster import ClusterView, MachineSeen, Owner, PodSeen, WorkloadSeen
from wattline.model.fleet import Fleet, full_name
from wattline.model.names import MANAGED, PLACEMENT, UNCAPPED

TEMPLATE = PodTemplate(spec={"containers": [{"name": "engine", "image": "vllm"}]})


def row(name="row-a", *, watts=3000.0, parent=None, mode=Mode.ENFORCE, labels=None, nodes=(), **budget):
    """A domain that selects the machines labelled with its name, unless told otherwise."""
    chosen = None if nodes else NodeSelector(match_labels=labels or {"row": name})
    return PowerDomain(
        metadata=Metadata(name=name, generation=1),
        spec=PowerDomainSpec(
            parent=parent, nodes=nodes, node_selector=chosen, mode=mode, budget=Budget(watts=watts, **budget)
        ),
    )


def pool(name="coder", *, namespace="agents", **spec):
    """A pool of a template, unless it says where else its replicas come from."""
    if not {"workload_ref", "pool_ref", "endpoints"} & spec.keys():
        spec.setdefault("template", TEMPLATE)
    return InferencePool(
        metadata=Metadata(name=name, namespace=namespace, generation=1, uid=f"uid-{name}"),
        spec=InferencePoolSpec(model="m", **spec),
    )


def pod(name, *, namespace="agents", **seen):
    return PodSeen(namespace=namespace, name=name, uid=f"uid-{name}", resource_version="1", **seen)


class Cluster(Loop):
    """The reconcile loop on a cluster in memory; `Loop.nodes` are the node agents with their devices."""

    def __init__(self, *domains, pools=(), gpus=2, image="wattline:1", **rows):
        """``rows`` names the machines of each row: row_a=("n1", "n2"); they are opted in."""
        machines = {name: row.replace("_", "-") for row, names in rows.items() for name in names}
        super().__init__(*domains, pools=pools, nodes=())
        self.pools = {full_name(each): each for each in pools}
        self.nodes = {name: Node(name, gpus) for name in machines}
        self.machines = {
            name: MachineSeen(
                name, labels={MANAGED: "true", "row": in_row, HOSTNAME: f"host-{name}"}, gpus=gpus
            )
            for name, in_row in machines.items()
        }
        self.pods = {}
        self.workloads = {}
        self.manifests = {}
        self.said = []
        self.forgotten = []
        self.broken = ()
        self.failed = {}
        self.image = image
        self._number = itertools.count()

    # what the loop sees and does

    def view(self):
        names = self.store.keys()
        return ClusterView(
            fleet=Fleet(
                tuple(sorted(self.domains.values(), key=lambda each: each.metadata.name)),
                tuple(sorted(self.pools.values(), key=full_name)),
            ),
            epoch=self.epoch,
            nodes={name: self.nodes[name].view(self.store) for name in sorted(names)},
            domains=self.statuses,
            pools=self.pool_statuses,
            pods=dict(self.pods),
            machines=dict(self.machines),
            workloads=dict(self.workloads),
            broken=self.broken,
            failed=self.failed,
            clustered=True,
            image=self.image,
        )

    def settle(self, at=AT):
        decisions = self.keep(decide(resolve(self.view()), at))
        self.said = []
        for action in decisions.actions:
            self.perform(action)
        return decisions

    def perform(self, action):
        match action:
            case Apply(manifest):
                self._apply(manifest)
            case Delete(_, kind, namespace, name):
                self.workloads.pop((kind, namespace, name), None)
                self.manifests.pop((namespace, name), None)
            case Scale(namespace, _, kind, name, replicas):
                key = kind, namespace, name
                self.workloads[key] = dataclasses.replace(self.workloads[key], replicas=replicas)
            case Place(namespace, name, uid, _, nodes):
                seen = self.pods[f"{namespace}/{name}"]
                assert seen.uid == uid
                assert seen.waits_for_us
                only = Requirement(HOSTNAME, "In", nodes)
                narrowed = tuple((*term, only) for term in seen.affinity or ((),))
                gates = tuple(gate for gate in seen.gates if gate != PLACEMENT)
                self.pods[seen.full_name] = dataclasses.replace(seen, affinity=narrowed, gates=gates)
            case Taint(node, present):
                taints = tuple(each for each in self.machines[node].taints if each.key != UNCAPPED)
                ours = (NodeTaint(UNCAPPED, "NoSchedule"),) if present else ()
                self._machine(node, taints=(*taints, *ours))
            case Label(node, key, value):
                self.label(node, **{key: value})
            case Forget(node):
                self.forgotten.append(node)
                self.store.pop(node, None)
                agent = self.nodes[node]
                agent.fetched, agent.observed = None, (0, 0)
                agent.publish()
            case Say():
                self.said.append(action)

    def _apply(self, manifest):
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        owner = manifest["metadata"]["ownerReferences"][0]
        self.manifests[namespace, name] = manifest
        key = manifest["kind"], namespace, name
        self.workloads[key] = WorkloadSeen(
            manifest["apiVersion"],
            *key,
            uid=f"uid-of-{name}",
            replicas=manifest["spec"]["replicas"],
            selector=f"wattline.dev/pool={name}",
            owner=Owner(owner["kind"], owner["name"], owner["uid"]),
        )

    # what Kubernetes does

    def run(self, *, gpus=1):
        """Deployments make and take away pods as they are scaled."""
        for (namespace, name), manifest in self.manifests.items():
            labels = manifest["spec"]["template"]["metadata"]["labels"]
            gates = tuple(each["name"] for each in manifest["spec"]["template"]["spec"]["schedulingGates"])
            mine = sorted(p for p in self.pods if p.startswith(f"{namespace}/{name}-"))
            for extra in mine[manifest["spec"]["replicas"] :]:
                self.end(extra)
            for _ in range(manifest["spec"]["replicas"] - len(mine)):
                number = next(self._number)
                self.pods[f"{namespace}/{name}-{number}"] = pod(
                    f"{name}-{number}",
                    namespace=namespace,
                    labels=labels,
                    owner=Owner("ReplicaSet", f"{name}-abc", "uid-rs"),
                    gates=gates,
                    gpus=gpus,
                    created_at=f"{number:06}",
                )

    def schedule(self):
        """Bind every pod that may be bound, and let its kubelet start it."""
        for name, seen in sorted(self.pods.items()):
            if seen.node or seen.gates or seen.leaving:
                continue
            node = next((n for n in self.machines if self._takes(n, seen)), None)
            if node is not None:
                self.start(name, node)

    def start(self, name, node):
        """A kubelet runs a pod, gives it GPUs, and its engine becomes ready."""
        agent = self.nodes[node]
        used = {uuid for gpus in agent.pods.values() for uuid in gpus}
        free = [uuid for uuid in agent.limits if uuid not in used]
        agent.pods[name] = tuple(free[: self.pods[name].gpus])
        agent.publish()
        address = f"10.0.0.{len(agent.pods)}"
        self.pods[name] = dataclasses.replace(self.pods[name], node=node, address=address, ready=True)

    def end(self, name):
        """A pod is gone with its GPUs."""
        seen = self.pods.pop(name)
        if seen.node and seen.node in self.nodes:
            self.nodes[seen.node].pods.pop(name, None)
            self.nodes[seen.node].publish()

    def _takes(self, node, seen):
        machine, agent = self.machines[node], self.nodes[node]
        used = sum(len(gpus) for gpus in agent.pods.values())
        return (
            allowed(seen.affinity, seen.node_selector, node, machine.labels)
            and not kept_away(machine.taints, seen.tolerations)
            and machine.gpus - used >= seen.gpus
        )

    # what people do

    def label(self, node, **labels):
        """Set labels of a machine; None takes one away."""
        new = {**self.machines[node].labels, **labels}
        self._machine(node, labels={key: value for key, value in new.items() if value is not None})

    def opt(self, node, *, into=True):
        self.label(node, **{MANAGED: "true" if into else None})

    def ask(self, name, **spec):
        """Change a pool's spec."""
        was = self.pools[name]
        meta = was.metadata.model_copy(update={"generation": was.metadata.generation + 1})
        self.pools[name] = was.model_copy(update={"spec": was.spec.model_copy(update=spec), "metadata": meta})

    def rounds(self, count=4):
        for _ in range(count):
            self.settle()
            self.run()
            self.schedule()
            for node in self.nodes.values():
                node.follow(self.store)
        return self.settle()

    # what tests ask

    def replica(self, name, of="agents/coder"):
        return next(each for each in self.pool_statuses[of].endpoints if each.name == name)

    def ready(self, of="agents/coder"):
        return next(c for c in self.pool_statuses[of].conditions if c.type == "Ready")

    def accepted(self, name):
        return next(c for c in self.statuses[name].conditions if c.type == "Accepted")

    def _machine(self, node, **changes):
        self.machines[node] = dataclasses.replace(self.machines[node], **changes)
