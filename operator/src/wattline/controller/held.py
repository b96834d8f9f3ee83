"""The nodes of one pass, by what we are to them."""

from collections.abc import Mapping
from dataclasses import dataclass

from wattline.api.powerdomain import Mode
from wattline.controller import claims
from wattline.controller.tree import Tree, tree
from wattline.model.cluster import ClusterView, NodeView
from wattline.policy.share import Claim


@dataclass(frozen=True, slots=True)
class Held:
    """The nodes of one pass, by what we are to them; each stands in one of the groups."""

    tree: Tree
    claims: Mapping[str, tuple[Claim, ...]]
    """What each node can use, a claim per class."""
    enforced: tuple[NodeView, ...]
    """Under an enforced domain, devices known."""
    leaving: tuple[NodeView, ...]
    """Held by us, no longer declared under the domain that still pays for them."""
    observed: tuple[NodeView, ...]
    """Under domains that only observe, devices known."""
    released: tuple[NodeView, ...]
    """Held or had by us, opted out, and nothing has to pay for them."""
    unknown: tuple[NodeView, ...]
    """Ordered, but their devices are not known now; their orders stand."""
    standing: tuple[NodeView, ...] = ()
    """Under a domain that pays for them, but what is declared about them has problems; their orders stand."""
    unpaid: tuple[NodeView, ...] = ()
    """The same, where no domain is there that pays."""
    domainless: tuple[NodeView, ...] = ()
    """Opted in by label, in no domain, devices known."""
    new: tuple[NodeView, ...] = ()
    """Opted in by label, never ordered, devices not known, or not to be ordered anything yet."""
    gone: tuple[NodeView, ...] = ()
    """Ordered, but the cluster has no such node any more, and no agent answers."""


def held(view: ClusterView) -> Held:
    """Return who is who."""
    declared = tree(view.fleet)
    enforced = {
        name for name, chain in declared.chains.items() if any(d.spec.mode is Mode.ENFORCE for d in chain)
    }
    paid = {node: domain for node, domain in view.standing.items() if domain in declared.chains}
    leaving: dict[str, str] = {}
    groups = ("released", "domainless", "new", "unknown", "gone", "unpaid")
    outside: dict[str, list[NodeView]] = {group: [] for group in groups}
    for node in view.nodes.values():
        if node.name in paid or node.name in declared.hangs_on:
            continue
        if node.name in view.standing:
            outside["new" if node.spec is None and view.clustered else "unpaid"].append(node)
        elif view.clustered and node.name not in view.machines and node.readings is None:
            outside["gone"].append(node)
        elif node.spec is not None and node.spec.enforce and node.spec.domain in enforced:
            leaving[node.name] = node.spec.domain
        elif view.clustered and node.name in view.machines and view.machines[node.name].managed:
            group = "domainless" if _known(node) else "new" if node.spec is None else "unknown"
            outside[group].append(node)
        elif node.spec is not None:
            outside["released"].append(node)
    whole = tree(view.fleet, {**leaving, **paid}.items())
    under = [node for node in view.nodes.values() if node.name in whole.hangs_on]
    known = [node for node in under if _known(node)]
    follow = [node for node in known if node.name not in paid and node.name not in leaving]
    unknown = [node for node in under if not _known(node)]
    return Held(
        tree=whole,
        claims={node.name: tuple(claims.node_claims(view.fleet, node)) for node in known},
        enforced=tuple(node for node in follow if whole.enforced(node.name)),
        leaving=tuple(node for node in known if node.name in leaving),
        observed=tuple(node for node in follow if not whole.enforced(node.name)),
        standing=tuple(node for node in known if node.name in paid),
        unknown=(*(node for node in unknown if node.spec is not None), *outside["unknown"]),
        new=(*outside["new"], *(node for node in unknown if node.spec is None and view.clustered)),
        released=tuple(outside["released"]),
        domainless=tuple(outside["domainless"]),
        gone=tuple(outside["gone"]),
        unpaid=tuple(outside["unpaid"]),
    )


def _known(node: NodeView) -> bool:
    return node.status is not None and bool(node.status.gpus)
