"""One pair of models under one way of sharing, as a case: alone, over load, and up to which rate it goes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import fmean

from bench.papers.droidspeak.hop import (
    LINK_BYTES,
    REPLICAS,
    Hop,
    Served,
    Way,
    at_rate,
    hops,
    prefill_seconds,
    replica,
    treated,
)
from bench.papers.droidspeak.pairs import Drawn, drawn
from bench.papers.study import Json

from wattline.policy.reuse import ReuseSpec

PAIRS = 8
"""As many as the paper has."""
WAYS = ("full prefill", "full reuse", "shared", "shared, objective")
WITHIN = 2.0
"""Times what a prompt takes alone, all of it computed: the objective of first tokens."""
BEARABLE = 0.9
"""Share of them within it, at the knee."""
WARM_UP = 0.1


@dataclass(frozen=True, slots=True)
class Case:
    """One pair in one way."""

    seed: int
    pair: int
    way: str
    requests: int
    loads: tuple[float, ...]
    """Shares of what full prefill can do."""
    bound: float = 0.01
    critical_share: float = 0.11
    spread: float = 0.5
    other_drop: float = 0.00025
    link_bytes: float = LINK_BYTES
    hit: float = 1.0
    median: float = 8000.0


def played(case: Case) -> Json:
    """Return the pair's profile and what first tokens take under each load, and the rate at the knee."""
    of = Drawn(case.critical_share, case.spread, case.other_drop)
    model = drawn(case.seed, PAIRS, of)[case.pair]
    pair = model.profile()
    full_drop = model.drop(0, 0)
    way = _way(case)
    asked = hops(case.seed, case.requests, 1.0, hit=case.hit, median=case.median)

    def serve(chosen: Way, stream: tuple[Hop, ...]) -> list[tuple[Hop, Served]]:
        out: list[tuple[Hop, Served]] = []
        for number in range(REPLICAS):
            mine = stream[number::REPLICAS]
            out += zip(mine, replica(mine, chosen, pair, full_drop, case.link_bytes), strict=True)
        end = max(hop.at_seconds for hop in stream)
        return [(hop, one) for hop, one in out if hop.at_seconds >= WARM_UP * end]

    def capacity(chosen: Way) -> float:
        at_once = tuple(replace(hop, at_seconds=0.0) for hop in asked)
        rates = []
        for number in range(REPLICAS):
            mine = at_once[number::REPLICAS]
            found = replica(mine, chosen, pair, full_drop, case.link_bytes)
            rates.append(len(mine) / max(one.end_seconds for one in found))
        return sum(rates)

    full = capacity(Way("full prefill", connector=False))
    own = capacity(way)
    rate = len(asked) / asked[-1].at_seconds
    loads = {}
    for load in case.loads:
        found = serve(way, at_rate(asked, load * full / rate))
        firsts = sorted(one.first_seconds for _, one in found)
        loads[f"{load:g}"] = {
            "p50": firsts[len(firsts) // 2],
            "p99": firsts[int(0.99 * len(firsts))],
            "drop": fmean(one.drop_ratio for _, one in found),
        }

    def within(per_second: float) -> float:
        found = serve(way, at_rate(asked, per_second / rate))
        return fmean(one.first_seconds <= WITHIN * _alone(hop) for hop, one in found)

    group = treated(replace(way, spec=way.spec or ReuseSpec()), pair, asked[0], 1e9, case.link_bytes)[0].group
    faster = [
        prefill_seconds(hop.context_tokens) / treated(way, pair, hop, 1e9, case.link_bytes)[0].seconds
        for hop in asked[:50]
        if hop.known
    ]
    return {
        "computed": pair.layers if group is None else group.count,
        "drop": 0.0 if group is None else group.drop_ratio,
        "full_drop": full_drop,
        "faster": fmean(faster) if faster else 1.0,
        "capacity": own,
        "knee": _knee(within, own),
        "loads": loads,
    }


def _way(case: Case) -> Way:
    if case.way == "full prefill":
        return Way(case.way, connector=False)
    if case.way == "full reuse":
        return Way(case.way)
    objective = WITHIN * prefill_seconds(case.median) if case.way == "shared, objective" else None
    return Way(case.way, ReuseSpec(case.bound, objective))


def _alone(hop: Hop) -> float:
    return prefill_seconds(hop.context_tokens + hop.own_tokens)


def _knee(within: Callable[[float], float], capacity: float) -> float:
    """Return the highest rate at which enough first tokens keep the objective, by bisection below the capacity."""
    low, high = 0.0, 1.0
    for _ in range(6):
        middle = (low + high) / 2
        if within(middle * capacity) >= BEARABLE:
            low = middle
        else:
            high = middle
    return low * capacity
