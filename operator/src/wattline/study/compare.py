"""Two variants of one question side by side: seed by seed, so that both have had the same work."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from wattline.study.intervals import Interval, interval
from wattline.study.quantities import Quantity, within
from wattline.study.results import Result, ResultError


class Verdict(StrEnum):
    """What can be said of a difference."""

    BETTER = "better"
    WORSE = "worse"
    DIFFERS = "differs"
    EQUAL = "equal"
    UNDECIDED = "not told apart"
    ONE_SEED = "one seed"


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity of both."""

    quantity: Quantity
    before: Interval
    after: Interval
    difference: Interval
    """After less before, of each seed."""
    percent: Interval | None
    """The same in percent of before; none where before is zero somewhere, or the scale has no zero."""
    verdict: Verdict
    """By the interval in percent where there is one: seeds differ less in it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two variants differ in."""

    seeds: tuple[int, ...]
    """Seeds that both have."""
    left_out: tuple[int, ...]
    """Seeds that only one has."""
    asked: tuple[tuple[str, str, str], ...]
    """What was asked otherwise: name, before, after."""
    rows: tuple[Row, ...]


def compare(before: Mapping[int, Result], after: Mapping[int, Result]) -> Comparison:
    """Compare; raise `ResultError` where there is no common seed or where the work was not the same."""
    seeds = sorted(before.keys() & after.keys())
    if not seeds:
        raise ResultError(
            f"no seed in common: A has {_listed(before)}, B has {_listed(after)}; "
            "play both with the same --seed, or the same --seeds of a sweep"
        )
    for seed in seeds:
        _same_work(seed, before[seed], after[seed])
    keys = [key for key in before[seeds[0]] if key in after[seeds[0]]]
    rows = [
        row
        for quantity in within(keys)
        if (row := _row(quantity, [(before[seed], after[seed]) for seed in seeds])) is not None
    ]
    return Comparison(
        seeds=tuple(seeds),
        left_out=tuple(sorted(before.keys() ^ after.keys())),
        asked=tuple(_asked(before[seeds[0]], after[seeds[0]])),
        rows=tuple(rows),
    )


def _row(quantity: Quantity, pairs: list[tuple[Result, Result]]) -> Row | None:
    numbers = [
        (float(one), float(other))
        for a, b in pairs
        if isinstance(one := a.get(quantity.key), int | float)
        and isinstance(other := b.get(quantity.key), int | float)
    ]
    if not numbers:
        return None
    difference = interval([other - one for one, other in numbers])
    percent = (
        interval([100 * (other - one) / one for one, other in numbers])
        if quantity.ratio and all(one for one, _ in numbers)
        else None
    )
    return Row(
        quantity,
        interval([one for one, _ in numbers]),
        interval([other for _, other in numbers]),
        difference,
        percent,
        _verdict(quantity, difference if percent is None else percent, numbers),
    )


def _verdict(quantity: Quantity, change: Interval, numbers: list[tuple[float, float]]) -> Verdict:
    if all(one == other for one, other in numbers):
        return Verdict.EQUAL
    if change.half is None:
        return Verdict.ONE_SEED
    if not change.excludes_zero:
        return Verdict.UNDECIDED
    if not quantity.better:
        return Verdict.DIFFERS
    return Verdict.BETTER if change.mean * quantity.better > 0 else Verdict.WORSE


def _same_work(seed: int, before: Result, after: Result) -> None:
    if before["work_sha256"] == after["work_sha256"]:
        return
    why = [
        f"{name.removeprefix('asked.')} {before.get(name)} and {after.get(name)}"
        for name in ("asked.trace", "asked.arrivals", "asked.rate", "asked.hours", "asked.shared_prefix")
        if before.get(name) != after.get(name)
    ]
    if before.get("trace_sha256") != after.get("trace_sha256"):
        why.append("the trace files differ")
    raise ResultError(
        f"seed {seed}: A and B did not have the same work ({'; '.join(why) or 'other runs or arrivals'}), so their "
        "difference says nothing of what was changed; play both with the same trace, arrivals, rate and hours"
    )


def _asked(before: Result, after: Result) -> list[tuple[str, str, str]]:
    names = dict.fromkeys(name for name in (*before, *after) if name.startswith("asked."))
    out = [
        (name.removeprefix("asked.").replace("_", " "), _shown(before.get(name)), _shown(after.get(name)))
        for name in names
        if before.get(name) != after.get(name)
    ]
    for name, what in (("fleet_sha256", "objects of the fleet"), ("code_sha256", "code of wattline")):
        if before.get(name) != after.get(name):
            out.append((what, f"{before.get(name)}"[:8], f"{after.get(name)}"[:8]))
    return out


def _shown(value: object) -> str:
    return "-" if value is None else str(value)


def _listed(results: Mapping[int, Result]) -> str:
    return ", ".join(str(seed) for seed in sorted(results))
