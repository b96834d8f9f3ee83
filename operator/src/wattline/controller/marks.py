"""What nodes of a cluster carry for us: the label of those we hold, the taint of those not read back; and which
PowerNodes are no longer needed.
"""

from collections.abc import Iterator, Mapping

from wattline.api.powernode import NodeState, PowerNodeSpec
from wattline.controller.facts import acknowledged, capped
from wattline.controller.held import Held
from wattline.model.actions import Action, Forget, Label, Taint
from wattline.model.cluster import ClusterView, NodeView
from wattline.model.names import HELD

PUT_BACK = frozenset({NodeState.RELEASED, NodeState.OBSERVING})
"""States of an agent that holds no GPU."""


def may_enforce(node: NodeView, view: ClusterView) -> bool:
    """Whether a node may be ordered to enforce: in a cluster only once it is labelled as held, so that its agent
    stays until it has put the GPUs back, whatever becomes of the opt-in.
    """
    machine = view.machines.get(node.name)
    return not view.clustered or (machine is not None and machine.held) or _held(node)


def put_back(node: NodeView) -> bool:
    """Whether a node's agent holds nothing: it was never ordered to, or says that everything is put back."""
    if node.spec is None:
        return True
    if node.spec.enforce:
        return False
    if not node.spec.release:
        return True
    return acknowledged(node) and node.status is not None and node.status.state in PUT_BACK


def forgotten(view: ClusterView, held: Held) -> tuple[str, ...]:
    """Return the nodes whose PowerNode nobody needs: opted out and put back, or gone from the cluster."""
    if not view.clustered:
        return ()
    done = [node.name for node in held.released if put_back(node)]
    return tuple(sorted([*done, *(node.name for node in held.gone)]))


def marks(view: ClusterView, held: Held, orders: Mapping[str, PowerNodeSpec]) -> Iterator[Action]:
    """Yield what has to change on nodes, and the PowerNodes to forget."""
    if not view.clustered:
        return
    enforced = {node.name: node for node in held.enforced}
    standing = {node.name for node in (*held.standing, *held.unknown, *held.unpaid)}
    for name, machine in sorted(view.machines.items()):
        node = view.nodes.get(name, NodeView(name))
        ours = name in enforced or (name in orders and orders[name].enforce) or not put_back(node)
        if ours != machine.held:
            yield Label(name, HELD, "true" if ours else None)
        if name in standing and machine.managed:
            continue
        uncapped = name in enforced and not capped(node)
        if uncapped != machine.uncapped:
            yield Taint(name, uncapped)
    for name in forgotten(view, held):
        yield Forget(name)


def _held(node: NodeView) -> bool:
    return node.spec is not None and node.spec.enforce
