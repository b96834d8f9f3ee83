"""``place``: which nodes a waiting pod may go to. First rule: it fits the budgets.

A pod fits a node if GPUs are free there, and every domain above the node, after the floors of all GPUs and the
wanted least of every replica that runs or was let through, has the watts for the pod's own. Floors are what
devices may draw under their least limits, so a domain that fits them can always be held; the wanted least is
what pools ask for on top.

The scheduler still packs: a pod gets every node where it fits, as long as all that wait could get so, else every
such node under one chain of domains, the one with most watts left. Until it is bound it counts in every domain it
may end in, and no set of nodes gets more pods than it has places for, so that pods let through together never count
on the same watts or the same GPU, wherever the scheduler puts them.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

EPSILON_WATTS = 1e-6

MOST_AT_ONCE = 200
"""So many pods are let through in one pass, so that writing them holds up nothing else; ours, a few seconds."""


class Why(StrEnum):
    """Why a pod may go where it may, or nowhere."""

    FITS = "Fits"
    NO_NODE = "NoNodeAllowed"
    NO_GPUS = "WaitingForCapacity"
    NO_WATTS = "WaitingForPower"
    NOT_READ_BACK = "UncappedGpus"
    NOT_ITS_TURN = "WaitingForTurn"


@dataclass(frozen=True, slots=True)
class Site:
    """A node as a place for pods."""

    node: str
    domains: tuple[str, ...]
    """Domains above it that have a budget to keep, nearest first."""
    free_gpus: int
    read_back: bool = True
    """Whether its GPUs are read back under their limits where they have to be."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A pod that is to be placed, or was let through and is not bound yet."""

    name: str
    gpus: int
    watts: Mapping[str, float] = field(default_factory=dict)
    """What it wants above the floors of its GPUs, by node; nodes that are not in it are closed to the pod."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one pod may go."""

    name: str
    nodes: tuple[str, ...]
    why: Why
    detail: str
    """One sentence a person can read."""


def place(
    free_watts: Mapping[str, float],
    sites: Sequence[Site],
    waiting: Sequence[Waiting],
    through: Sequence[Waiting] = (),
) -> tuple[Placement, ...]:
    """Return a placement per waiting pod, in order; ``through`` are pods that were let through and not bound yet.

    ``free_watts`` is what is left in each domain by name, after floors and the wanted least of what is bound;
    minus infinity where it cannot be judged.
    """
    anywhere, chains = (
        _attempt(free_watts, sites, waiting, through, one_chain=one_chain) for one_chain in (False, True)
    )
    return max(anywhere, chains, key=lambda plan: sum(1 for each in plan if each.why is Why.FITS))


def _attempt(
    free_watts: Mapping[str, float],
    sites: Sequence[Site],
    waiting: Sequence[Waiting],
    through: Sequence[Waiting],
    *,
    one_chain: bool,
) -> tuple[Placement, ...]:
    room = _Room(dict(free_watts), {site.node: site for site in sites})
    for pod in through:
        room.count(pod, [node for node in pod.watts if node in room.sites])
    placements: list[Placement] = []
    refused: dict[tuple[int, int], Placement] = {}
    let = 0
    for pod in waiting:
        like = id(pod.watts), pod.gpus
        if like in refused:  # what is left only shrinks, so its like is refused for the same reason
            placement = replace(refused[like], name=pod.name)
        elif let == MOST_AT_ONCE:
            placement = Placement(
                pod.name, (), Why.NOT_ITS_TURN, "others are let through first, in this moment"
            )
        else:
            placement = room.judge(pod, one_chain=one_chain)
        if placement.why is Why.FITS:
            room.count(pod, placement.nodes)
            let += 1
        elif placement.why is not Why.NOT_ITS_TURN:
            refused[like] = placement
        placements.append(placement)
    return tuple(placements)


class _Room:
    """What is left while pods are let through one after the other."""

    def __init__(self, watts: dict[str, float], sites: dict[str, Site]) -> None:
        self.sites = sites
        self._watts = watts
        self._flying: Counter[tuple[frozenset[str], int]] = Counter()
        """Pods that were let through, by the nodes they may take and their GPUs."""

    def judge(self, pod: Waiting, *, one_chain: bool) -> Placement:
        """Return where a pod may go now, or why it waits."""
        allowed = [name for name in sorted(self.sites) if name in pod.watts]
        if not allowed:
            return Placement(
                pod.name,
                (),
                Why.NO_NODE,
                "no node that is opted in, and whose domain is sound, is open to the pod",
            )
        roomy = [name for name in allowed if self.sites[name].free_gpus >= pod.gpus]
        if not roomy:
            best = max(allowed, key=lambda name: self.sites[name].free_gpus)
            most = max(0, self.sites[best].free_gpus)
            return Placement(
                pod.name, (), Why.NO_GPUS, f"needs {pod.gpus} GPUs of one node; {best} has {most} free"
            )
        lacks = {name: self._lack(name, pod.watts[name]) for name in roomy}
        paid = [name for name in roomy if lacks[name] is None]
        if not paid:
            return Placement(pod.name, (), Why.NO_WATTS, _least([each for each in lacks.values() if each]))
        ready = [name for name in paid if self.sites[name].read_back]
        if not ready:
            some = ", ".join(paid[:3])
            return Placement(
                pod.name,
                (),
                Why.NOT_READ_BACK,
                f"the GPUs of {some} are not read back under their limits yet",
            )
        for nodes in self._chains(ready) if one_chain else [ready]:
            if self._places(frozenset(nodes), pod.gpus):
                return Placement(pod.name, tuple(nodes), Why.FITS, self._fits(pod, nodes))
        return Placement(
            pod.name, (), Why.NO_GPUS, "pods that were let through before it may take the last free GPUs"
        )

    def count(self, pod: Waiting, nodes: Iterable[str]) -> None:
        """Take what a pod may use on any of some nodes."""
        most: dict[str, float] = {}
        for node in nodes:
            for domain in self.sites[node].domains:
                most[domain] = max(most.get(domain, 0.0), pod.watts[node])
        for domain, watts in most.items():
            self._watts[domain] -= watts
        if pod.gpus:
            self._flying[frozenset(nodes), pod.gpus] += 1

    def _places(self, nodes: frozenset[str], gpus: int) -> bool:
        """Whether one more pod fits, wherever those before it go, and leaves each of them a place as well.

        A pod spoils at most one place on the node it takes, whatever its size up to that of a place.
        """
        if not gpus:
            return True
        flying = self._flying + Counter({(nodes, gpus): 1})
        touched = {each for each, _ in flying if not each.isdisjoint(nodes)}
        for each in touched:
            rivals = {key: number for key, number in flying.items() if not key[0].isdisjoint(each)}
            size = max(wanted for _, wanted in rivals)
            there = sum(max(0, self.sites[node].free_gpus) // size for node in each)
            if there < sum(rivals.values()) and (each == nodes or not self._short(each)):
                return False
        return True

    def _short(self, nodes: frozenset[str]) -> bool:
        """Whether pods let through earlier have too few places already; one more elsewhere harms nobody then."""
        rivals = {key: number for key, number in self._flying.items() if not key[0].isdisjoint(nodes)}
        size = max((wanted for _, wanted in rivals), default=1)
        return sum(max(0, self.sites[node].free_gpus) // size for node in nodes) < sum(rivals.values())

    def _chains(self, nodes: Sequence[str]) -> list[list[str]]:
        """Return the nodes by their chain of domains, the chain with most watts left first."""
        chains: dict[tuple[str, ...], list[str]] = {}
        for node in nodes:
            chains.setdefault(self.sites[node].domains, []).append(node)
        left = {chain: min((self._watts[each] for each in chain), default=math.inf) for chain in chains}
        return [chains[chain] for chain in sorted(chains, key=lambda chain: (-left[chain], chain))]

    def _lack(self, node: str, watts: float) -> tuple[float, str, str] | None:
        """Return what is missing for a pod at a node, where, and for which node; None if nothing is."""
        lacks = [
            (watts - self._watts[domain], domain, node)
            for domain in self.sites[node].domains
            if self._watts[domain] < watts - EPSILON_WATTS
        ]
        return max(lacks) if lacks else None

    def _fits(self, pod: Waiting, nodes: Sequence[str]) -> str:
        wants = max(pod.watts[node] for node in nodes)
        tight = [(self._watts[domain], domain) for node in nodes for domain in self.sites[node].domains]
        if not tight:
            return "no budget is enforced there"
        free, domain = min(tight)
        return f"wants {wants:.0f} W above the floors of its GPUs, {domain} has {free:.0f} W"


def _least(lacks: Sequence[tuple[float, str, str]]) -> str:
    missing, domain, node = min(lacks)
    if math.isinf(missing):
        return f"{domain} cannot be judged: the GPUs of a node under it are not known yet"
    return f"{missing:.0f} W are missing in {domain} (for {node}, where least is missing)"
