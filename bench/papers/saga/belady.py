"""What each rule computes again on one frozen sequence, over Bélády's, at and around the number of tasks that fill memory."""

from dataclasses import replace
from itertools import pairwise
from statistics import fmean

from bench.papers.figures import number
from bench.papers.saga import claims, reasons
from bench.papers.saga.frozen import RULES
from bench.papers.saga.ladder import over
from bench.papers.saga.sweep import BASE, Runs, frozen, in_memory
from bench.papers.study import Finding, Form, Json, Table

NAMES = tuple(name for name in RULES if name != "Bélády")
CLAIMS = (claims.BELADY_LRU, claims.BELADY_PREFIX, claims.BELADY_WORKFLOW, claims.BELADY_OURS)


def findings(runs: Runs) -> tuple[list[Finding], list[Table]]:
    """Return the findings where generated contexts fill memory on average, and the tables around it."""
    middle = in_memory(None)
    around = _around(runs, None)
    ratios = {
        name: {
            count: _ratios(found, name)
            for count, found in around.items()
            if all(one["Bélády"] for one in found)
        }
        for name in NAMES
    }
    out = [
        over(claim, _ratios(around[middle], name), reasons.neighbours(ratios[name]))
        for claim, name in zip(CLAIMS, NAMES, strict=True)
    ]
    least = [min(values) for values in zip(*(_ratios(around[middle], name) for name in NAMES), strict=True)]
    steps = [_steps(one) for one in around[middle]]
    tokens = ", ".join(f"{name} {fmean(one[name] for one in around[middle]):,.0f}" for name in RULES)
    out += [
        over(claims.ORDER_TOKENS, steps, f"Tokens computed again, mean over seeds: {tokens}."),
        over(claims.BELADY_LEAST, least, ""),
    ]
    tables = [_table(around, "generated")]
    if runs.recorded and runs.bench.form is not Form.CI:
        tables.append(_table(_around(runs, runs.recorded), "recorded"))
    return out, tables


def _around(runs: Runs, data: str | None) -> dict[int, list[Json]]:
    """Return the recomputed tokens by tasks at once; of the neighbours on fewer seeds."""
    middle = in_memory(data)
    reach = runs.bench.pick(ci=0, reduced=2 if data is None else 0, full=3)
    hours = runs.bench.pick(ci=0.75, reduced=1.0, full=3.0)
    others = runs.bench.pick(ci=runs.seeds[:1], reduced=runs.seeds[:1], full=runs.few)
    seeds = {
        count: runs.seeds if count == middle and data is None else others
        for count in range(middle - reach, middle + reach + 1)
    }
    cases = [
        replace(runs.case(BASE, seed, at_once=count, data=data), workers=1, hours=hours)
        for count, each in seeds.items()
        for seed in each
    ]
    results = iter(runs.bench.each(frozen, cases))
    return {count: [next(results) for _ in each] for count, each in seeds.items()}


def _ratios(found: list[Json], name: str) -> list[float]:
    return [one[name] / max(1, one["Bélády"]) for one in found]


def _steps(tokens: dict[str, int]) -> int:
    """Return how many steps of the ladder hold, from Bélády up."""
    order = [tokens[name] for name in ("Bélády", "next use", "WA-LRU", "prefix-LRU", "LRU")]
    return sum(less <= more for less, more in pairwise(order))


def _table(around: dict[int, list[Json]], what: str) -> Table:
    rows = tuple(
        (
            str(count),
            str(len(found)),
            f"{fmean(one['Bélády'] for one in found):,.0f}",
            *(
                number(fmean(_ratios(found, name)))
                if min(one["Bélády"] for one in found) > 0
                else f"{fmean(one[name] for one in found):,.0f} tokens"
                for name in NAMES
            ),
        )
        for count, found in around.items()
    )
    return Table(
        f"Recomputed tokens over Bélády's on one frozen sequence, {what} tasks, so many at once",
        ("at once", "seeds", "Bélády, tokens", *NAMES),
        rows,
    )
