"""What must hold between the objects of a fleet; shared by all doors."""

from collections.abc import Iterator
from dataclasses import dataclass

from wattline.api.agentworkflow import AgentWorkflow, Trigger
from wattline.api.inferencepool import InferencePool
from wattline.api.powerdomain import PowerDomain
from wattline.model import workflows
from wattline.model.fleet import Fleet, full_name


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an object, and where in it."""

    kind: str
    name: str
    """Full name of the object."""
    path: tuple[str | int, ...]
    """Field, from the top of the object."""
    message: str
    """What stands there, what was expected, and a remedy."""
    reason: str = "Invalid"
    """One CamelCase word a program can match."""


def problems(fleet: Fleet, broken: frozenset[str] = frozenset()) -> Iterator[Problem]:
    """Yield every reference that does not hold; objects named in ``broken`` exist but could not be read."""
    yield from parents(fleet, broken)
    yield from _nodes(fleet)
    yield from endpoints(fleet)
    yield from _profiles(fleet)
    for workflow in fleet.workflows:
        yield from steps(workflow)


def cluster_only(fleet: Fleet) -> Iterator[Problem]:
    """Yield what only a Kubernetes cluster can follow: selectors of nodes, replicas that are pods, and steps."""
    for domain in fleet.domains:
        if domain.spec.node_selector is not None:
            yield _of(
                domain,
                ("spec", "nodeSelector"),
                "nodes have labels in a Kubernetes cluster only; name them here, e.g. nodes: [n1, n2]",
                "NeedsCluster",
            )
    for pool in fleet.pools:
        for field, there in (
            ("template", pool.spec.template),
            ("workloadRef", pool.spec.workload_ref),
            ("poolRef", pool.spec.pool_ref),
        ):
            if there is not None:
                yield _of(
                    pool,
                    ("spec", field),
                    "pods run in a Kubernetes cluster only; list the engines that stand here, e.g. "
                    "endpoints: [{name: a, url: 'http://127.0.0.1:8001', node: n1, gpus: [GPU-…]}]",
                    "NeedsCluster",
                )
    for workflow in fleet.workflows:
        if workflow.spec.trigger is Trigger.ON_APPLY:
            yield _of(
                workflow,
                ("spec", "trigger"),
                "steps run as Jobs, in a Kubernetes cluster only; a workflow of agents that run elsewhere says "
                "trigger: External and has no steps",
                "NeedsCluster",
            )


def _profiles(fleet: Fleet) -> Iterator[Problem]:
    """Yield the profiles that are of the same engine as one before them."""
    first: dict[tuple[str, str, int], str] = {}
    for profile in fleet.profiles:
        spec, name = profile.spec, profile.metadata.name
        other = first.setdefault((spec.model, spec.product, spec.gpus), name)
        if other != name:
            yield Problem(
                "ModelProfile",
                name,
                ("spec", "model"),
                f"{spec.model} on {spec.gpus} {spec.product} is what ModelProfile {other} is of already; keep one of them",
            )


def parents(fleet: Fleet, broken: frozenset[str] = frozenset()) -> Iterator[Problem]:
    """Yield the domains whose parent is not there, or that form a ring."""
    names = {domain.metadata.name for domain in fleet.domains}
    for domain in fleet.domains:
        parent = domain.spec.parent
        if parent is None or parent in broken:
            continue
        if parent not in names:
            known = ", ".join(sorted(names - {domain.metadata.name})) or "none"
            yield _of(
                domain,
                ("spec", "parent"),
                f"there is no PowerDomain {parent}; others here: {known}",
                "ParentMissing",
            )
            continue
        chain = [domain.metadata.name, *(above.metadata.name for above in fleet.ancestors(domain))]
        top = next(each for each in fleet.domains if each.metadata.name == chain[-1])
        if top.spec.parent == domain.metadata.name:
            ring = " → ".join([*chain, domain.metadata.name])
            yield _of(
                domain,
                ("spec", "parent"),
                f"domains form a ring: {ring}; a root domain has no parent",
                "DomainsFormRing",
            )


def _nodes(fleet: Fleet) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for domain in fleet.domains:
        for index, node in enumerate(domain.spec.nodes):
            if node in seen:
                yield _of(
                    domain,
                    ("spec", "nodes", index),
                    f"node {node} stands in PowerDomain {seen[node]} already; name it once, in its lowest domain",
                    "NodeInTwoDomains",
                )
            seen.setdefault(node, domain.metadata.name)


def endpoints(fleet: Fleet) -> Iterator[Problem]:
    """Yield what is wrong between the engines that users listed."""
    urls: dict[str, str] = {}
    gpus: dict[str, tuple[str, str]] = {}
    for pool in fleet.pools:
        for index, endpoint in enumerate(pool.spec.endpoints):
            here = f"{full_name(pool)}/{endpoint.name}"
            path = ("spec", "endpoints", index)
            if endpoint.url in urls:
                yield _of(
                    pool,
                    (*path, "url"),
                    f"{endpoint.url} is the url of {urls[endpoint.url]} already",
                    "Conflict",
                )
            urls.setdefault(endpoint.url, here)
            for place, uuid in enumerate(endpoint.gpus):
                owner, node = gpus.setdefault(uuid, (here, endpoint.node))
                if owner != here:
                    what = f"GPU {uuid} belongs to {owner} already; a GPU runs one replica"
                elif uuid in endpoint.gpus[:place]:
                    what = f"GPU {uuid} is named twice"
                else:
                    continue
                if node != endpoint.node:
                    what += f", and a GPU is in one node, {node} or {endpoint.node}"
                yield _of(pool, (*path, "gpus", place), what, "Conflict")


def steps(workflow: AgentWorkflow) -> Iterator[Problem]:
    """Yield what is wrong with the steps of a workflow."""
    for path, message in workflows.problems(workflow.spec):
        yield _of(workflow, path, message, "TemplateInvalid")


def _of(
    thing: PowerDomain | InferencePool | AgentWorkflow,
    path: tuple[str | int, ...],
    message: str,
    reason: str = "Invalid",
) -> Problem:
    name = thing.metadata.name if isinstance(thing, PowerDomain) else full_name(thing)
    return Problem(thing.kind, name, path, message, reason)
