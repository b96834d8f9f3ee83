"""Judges power domains by the devices' own record: at every moment at which a domain said that it holds, it did.

What the devices may draw is taken from the record of the fake driver, what a domain says from a watch of its status.
Nothing here asks the product how it adds up.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from harness.watch import Heard, Watch, now
from harness.world import World

TOLERANCE_WATTS = 0.01
UNDER_WAY_SECONDS = 1.5
"""An order needs this long, on a busy machine, from the operator to the device."""


@dataclass(frozen=True, slots=True)
class Word:
    """What a domain said from one moment until the next thing that was heard of it."""

    domain: str
    since_seconds: float
    until_seconds: float
    status: str
    reason: str
    budget_watts: float
    """Of the generation that it spoke of."""
    beside_watts: float
    """What hangs on its breaker beside the GPUs of its nodes."""
    nodes: int
    epoch: int

    @property
    def holds(self) -> bool:
        """Whether it said that its promise holds."""
        return self.status == "True"


class Judge:
    """The domains above one node, held to what they say."""

    def __init__(self, domains: Watch, world: World) -> None:
        self._domains = domains
        self._world = world
        self.since_seconds = now()

    def words(self) -> Iterator[Word]:
        """Yield everything that domains said about their promises, in the order it was heard."""
        heard = self._domains.heard.copy()
        specs = {
            (each.name, each.object["metadata"]["generation"]): each.object["spec"]
            for each in heard
            if each.type != "AWAY"
        }
        latest: dict[str, Mapping[str, Any]] = {}
        open_words: dict[str, Word] = {}
        for each in heard:
            for name in tuple(open_words):
                if each.type == "AWAY" or each.name == name:
                    yield replace(open_words.pop(name), until_seconds=each.at_seconds)
            if each.type == "AWAY":
                continue
            if each.type == "DELETED":
                latest.pop(each.name, None)
                continue
            latest[each.name] = each.object["spec"]
            said = _word(each, specs, latest)
            if said is not None:
                open_words[each.name] = said
        for word in open_words.values():
            yield replace(word, until_seconds=now())

    def broken(self) -> list[str]:
        """Return a sentence for every moment at which a domain said that it holds and did not."""
        moments = self._world.allowed_watts()
        found = []
        for word in self.words():
            if not word.holds:
                continue
            gpus = _most(moments, word.since_seconds, word.until_seconds) if word.nodes else 0.0
            if gpus + word.beside_watts > word.budget_watts + TOLERANCE_WATTS:
                found.append(
                    f"{word.domain} held its {word.budget_watts:.0f} W from {self._at(word.since_seconds)} to "
                    f"{self._at(word.until_seconds)}, it said, and its GPUs could draw {gpus:.1f} W beside "
                    f"{word.beside_watts:.0f} W"
                )
        return found

    def held_seconds(self) -> float:
        """Return for how long domains said that they hold."""
        return sum(word.until_seconds - word.since_seconds for word in self.words() if word.holds)

    def raised(self, since_seconds: float, until_seconds: float | None = None) -> list[str]:
        """Return a sentence for every moment of a stretch at which all GPUs together could draw more than before."""
        end = now() if until_seconds is None else until_seconds
        return [
            f"at {self._at(at)} the GPUs could draw {watts:.1f} W, and {before:.1f} W before"
            for (_, before), (at, watts) in pairwise(self._world.allowed_watts())
            if since_seconds <= at < end and watts > before + TOLERANCE_WATTS
        ]

    def raised_while_lowering(self) -> list[str]:
        """Return a sentence for every raise that began while a domain said that it has to lower first.

        What an agent does in the first moments may still be by the order before.
        """
        return [
            f"{word.domain}: {sentence}"
            for word in self.words()
            if word.reason == "LoweringToBudget"
            for sentence in self.raised(word.since_seconds + UNDER_WAY_SECONDS, word.until_seconds)
        ]

    def most_watts(self, since_seconds: float) -> float:
        """Return the most that all GPUs together could draw at any moment since then."""
        return _most(self._world.allowed_watts(), since_seconds, now())

    def below_since(self, watts: float) -> float | None:
        """Return since when the GPUs could draw no more than this together; none while they can."""
        since = None
        for at, allowed in self._world.allowed_watts():
            if allowed > watts + TOLERANCE_WATTS:
                since = None
            elif since is None:
                since = at
        return since

    def epochs_in_order(self) -> bool:
        """Whether no domain was ever told of by a leader before the one that had told of it last."""
        told: dict[str, list[int]] = {}
        for word in self.words():
            told.setdefault(word.domain, []).append(word.epoch)
        return all(epochs == sorted(epochs) for epochs in told.values())

    def _at(self, seconds: float) -> str:
        return f"{seconds - self.since_seconds:.2f} s"


def _word(
    heard: Heard, specs: Mapping[tuple[str, int], Mapping[str, Any]], latest: Mapping[str, Mapping[str, Any]]
) -> Word | None:
    status = heard.object.get("status", {})
    enforced = next((each for each in status.get("conditions", ()) if each["type"] == "Enforced"), None)
    spec = specs.get((heard.name, status.get("observedGeneration", 0)))
    if enforced is None or spec is None:
        return None
    nodes = status.get("nodes", 0)
    return Word(
        domain=heard.name,
        since_seconds=heard.at_seconds,
        until_seconds=heard.at_seconds,
        status=enforced["status"],
        reason=enforced["reason"],
        budget_watts=spec["budget"]["watts"],
        beside_watts=_beside(heard.name, spec, nodes, latest),
        nodes=nodes,
        epoch=status.get("epoch", 0),
    )


def _beside(name: str, spec: Mapping[str, Any], nodes: int, latest: Mapping[str, Mapping[str, Any]]) -> float:
    """Return what hangs on a breaker beside GPUs: the greatest overhead said for its nodes, and all reserved watts,
    its own and those of the domains below it.
    """
    budgets = [spec["budget"], *(latest[below]["budget"] for below in _below(name, latest))]
    overhead = max(budget.get("nodeOverheadWatts", 0) for budget in budgets)
    return float(nodes * overhead + sum(budget.get("reservedWatts", 0) for budget in budgets))


def _below(name: str, latest: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for other, spec in latest.items():
        if spec.get("parent") == name:
            yield other
            yield from _below(other, latest)


def _most(moments: list[tuple[float, float]], since_seconds: float, until_seconds: float) -> float:
    """Return the highest of what was in force at any moment of a stretch."""
    before = [watts for at, watts in moments if at <= since_seconds]
    within = [watts for at, watts in moments if since_seconds < at < until_seconds]
    return max([*before[-1:], *within], default=0.0)
