"""Decisions in words: for the log, the journal, and whoever asks why."""

from collections.abc import Iterable, Iterator

from wattline.api.powernode import PowerNodeSpec
from wattline.controller.decide import Decisions
from wattline.model.actions import Action, Apply, Delete, Forget, Label, Place, Say, Scale, Taint
from wattline.model.cluster import ClusterView
from wattline.model.fleet import full_name
from wattline.model.journal import about
from wattline.policy.share import Grant

Told = tuple[str, str, str]
"""What it is about, what was done or found, and why."""


def conditions_changed(view: ClusterView, decisions: Decisions) -> Iterator[Told]:
    """Yield every condition whose status or reason is not what it was."""
    workflows = {full_name(each): each.status for each in view.fleet.workflows if each.status is not None}
    for kind, was, now in (
        ("PowerDomain", view.domains, decisions.domains),
        ("InferencePool", view.pools, decisions.pools),
        ("AgentWorkflow", workflows, decisions.workflows),
    ):
        for name, status in now.items():
            before = {c.type: (c.status, c.reason) for c in was[name].conditions} if name in was else {}
            for each in status.conditions:
                if before.get(each.type) != (each.status, each.reason):
                    yield f"{kind}/{name}", f"{each.type} is {each.status}, {each.reason}", each.message


def order_reason(spec: PowerNodeSpec, grant: Grant | None) -> str:
    """Return why a node's order is what it is."""
    if spec.release:
        return "put back"
    if not spec.enforce:
        return "observe"
    return "its domain's loop holds it" if grant is None else grant.detail


def actions_told(actions: Iterable[Action], changed: Iterable[Told]) -> Iterator[Told]:
    """Yield the actions in words, without the Events of conditions that are told already."""
    known = {(of, what.rpartition(", ")[2]) for of, what, _ in changed}
    for action in actions:
        told = tell_action(action)
        if not isinstance(action, Say) or told[:2] not in known:
            yield told


def tell_action(action: Action) -> Told:
    """Return an action in words."""
    match action:
        case Apply(manifest=manifest):
            meta = manifest["metadata"]
            of = about(manifest["kind"], meta.get("namespace"), meta["name"])
            return of, "applied", "what declares it asks for it"
        case Delete(kind=kind, namespace=namespace, name=name):
            return about(kind, namespace, name), "deleted", "nothing declares it any more"
        case Scale(kind=kind, namespace=namespace, name=name, replicas=replicas):
            return about(kind, namespace, name), f"scaled to {replicas}", "its pool asks for as many"
        case Place(namespace=namespace, pod=pod, nodes=nodes):
            return about("Pod", namespace, pod), f"may run on {', '.join(nodes)}", "fits the budgets there"
        case Taint(node=node, present=True):
            why = "its GPUs are not read back under an enforced domain"
            return about("Node", None, node), "tainted uncapped", why
        case Taint(node=node):
            return about("Node", None, node), "no longer tainted", "its GPUs are read back under their limits"
        case Label(node=node, key=key, value=None):
            return about("Node", None, node), f"label {key} taken away", "nothing of ours is left there"
        case Label(node=node, key=key, value=value):
            return about("Node", None, node), f"labelled {key}={value}", "before its GPUs are first written"
        case Forget(node=node):
            return about("PowerNode", None, node), "deleted", "opted out, and its GPUs are put back"
        case Say(kind=kind, namespace=namespace, name=name, reason=reason, message=message):
            return about(kind, namespace, name), reason, message
