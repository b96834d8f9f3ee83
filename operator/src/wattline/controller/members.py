"""Which nodes of a cluster hang on which domain, and what stands where that cannot be said."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wattline.api.powerdomain import PowerDomain
from wattline.model.cluster import ClusterView, MachineSeen
from wattline.model.fleet import Fleet
from wattline.model.references import Problem, parents


@dataclass(frozen=True, slots=True)
class Members:
    """The domains that can be followed, each with its nodes."""

    domains: tuple[PowerDomain, ...]
    problems: tuple[Problem, ...]
    standing: Mapping[str, str]
    """Nodes whose present orders stand, each with the domain that pays for it (empty: none)."""


def members(declared: Fleet, view: ClusterView) -> Members:
    """Return the domains of a cluster with the opted-in nodes that they name or select.

    A node hangs on the lowest domain that selects it. Where two do that are not above each other, or one that
    has problems itself, its present order stands. A domain that has problems is left out, with those below it.
    """
    problems = [*parents(declared, _broken(view))]
    problems += _below(declared, frozenset(problem.name for problem in problems) | _broken(view))
    bad = frozenset(problem.name for problem in problems) | _broken(view)
    above = {d.metadata.name: {a.metadata.name for a in declared.ancestors(d)} for d in declared.domains}
    good = [domain for domain in declared.domains if domain.metadata.name not in bad]
    nodes: dict[str, list[str]] = {domain.metadata.name: [] for domain in good}
    standing: dict[str, str] = {}
    for name, machine in sorted(view.machines.items()):
        chosen = [d.metadata.name for d in declared.domains if machine.managed and _selects(d, machine)]
        lowest = [d for d in chosen if not any(d in above[other] for other in chosen if other != d)]
        ordered = _domain_of_order(name, view)
        if ordered in bad or any(domain in bad for domain in lowest):
            standing[name] = _payer(name, view, nodes)
        elif len(lowest) > 1:
            problems += _disputed(name, lowest)
            standing[name] = ordered if ordered in lowest else _shared(lowest, declared)
        elif lowest:
            nodes[lowest[0]].append(name)
    for name in view.nodes.keys() - view.machines.keys():
        if _domain_of_order(name, view) in bad:
            standing[name] = _payer(name, view, nodes)
    return Members(
        domains=tuple(
            domain.model_copy(
                update={"spec": domain.spec.model_copy(update={"nodes": tuple(nodes[domain.metadata.name])})}
            )
            for domain in good
        ),
        problems=tuple(problems),
        standing=standing,
    )


def _broken(view: ClusterView) -> frozenset[str]:
    return frozenset(each.name for each in view.broken if each.kind == "PowerDomain")


def _selects(domain: PowerDomain, machine: MachineSeen) -> bool:
    selector = domain.spec.node_selector
    return machine.name in domain.spec.nodes or (selector is not None and selector.selects(machine.labels))


def _below(declared: Fleet, bad: frozenset[str]) -> Iterator[Problem]:
    """Yield the domains that hang on one that has problems."""
    for domain in declared.domains:
        if domain.metadata.name in bad:
            continue
        chain = [domain.spec.parent, *(above.spec.parent for above in declared.ancestors(domain))]
        found = next((name for name in chain if name in bad), None)
        if found is not None:
            yield Problem(
                domain.kind,
                domain.metadata.name,
                ("spec", "parent"),
                f"PowerDomain {found} above it has problems; mend that one",
                "ParentNotAccepted",
            )


def _disputed(node: str, lowest: Sequence[str]) -> Iterator[Problem]:
    for domain in lowest:
        others = ", ".join(other for other in lowest if other != domain)
        yield Problem(
            "PowerDomain",
            domain,
            ("spec",),
            f"node {node} is selected by {others} too, and neither is above the other; "
            "let one of them select it, or make one the parent",
            "NodeInTwoDomains",
        )


def _domain_of_order(node: str, view: ClusterView) -> str:
    seen = view.nodes.get(node)
    return "" if seen is None or seen.spec is None else seen.spec.domain


def _payer(node: str, view: ClusterView, good: Mapping[str, object]) -> str:
    """Return the domain that pays for a node whose own has problems: the root it was under, if that is there."""
    seen = view.nodes.get(node)
    if seen is None or seen.spec is None:
        return ""
    return seen.spec.lease.name if seen.spec.lease.name in good else ""


def _shared(lowest: Sequence[str], declared: Fleet) -> str:
    """Return the lowest domain above all of some, or none."""
    by_name = {domain.metadata.name: domain for domain in declared.domains}
    chains = [[above.metadata.name for above in declared.ancestors(by_name[name])] for name in lowest]
    return next((name for name in chains[0] if all(name in chain for chain in chains)), "")
