"""What the suite prints: every broken promise, then counts and worst times by fault and state."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from conformance.kills import Ending
from conformance.stage import State
from conformance.table import Verdict

_MARGIN = "  "


def table(verdicts: Sequence[Verdict]) -> list[str]:
    """Return faults × states: passed of all that came up, and the worst time until all was well again."""
    cells: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        cells[verdict.cell.kind, verdict.cell.state].append(verdict)
    kinds = list(dict.fromkeys(kind for kind, _ in cells))
    rows = [["fault", *(str(state) for state in State)]]
    rows += [[kind, *(_cell(cells.get((kind, state), [])) for state in State)] for kind in kinds]
    return _columns(rows)


def calls(verdicts: Sequence[Verdict]) -> list[str]:
    """Return calls × faults: passed of all that came up; a dash where the agent does not make the call."""
    cells: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        cells[verdict.cell.call.name, verdict.cell.kind].append(verdict)
    kinds = list(dict.fromkeys(kind for _, kind in cells))
    rows = [["call", *kinds]]
    rows += [
        [name, *(_count(cells.get((name, kind), [])) for kind in kinds)]
        for name in dict.fromkeys(name for name, _ in cells)
    ]
    return _columns(rows)


def kills(endings: Sequence[Ending]) -> list[str]:
    """Return ends × processes: passed of all that came, and the worst time until the limits were inside again."""
    cells: dict[tuple[str, str], list[Ending]] = defaultdict(list)
    for ending in endings:
        cells[_group(ending), ending.end.victim].append(ending)
    victims = list(dict.fromkeys(victim for _, victim in cells))
    rows = [["end", *victims]]
    rows += [
        [group, *(_ended(cells.get((group, victim), [])) for victim in victims)]
        for group in sorted({group for group, _ in cells})
    ]
    return _columns(rows)


def times(title: str, seconds: Iterable[float]) -> str:
    """Return median, 99th percentile and worst of some times, and how many there were."""
    ordered = sorted(seconds)
    if not ordered:
        return f"{title}: none"
    middle, high = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"{title}: median {middle:.2f} s, p99 {high:.2f} s, worst {ordered[-1]:.2f} s of {len(ordered)}"


def complaints(verdicts: Sequence[Verdict], endings: Sequence[Ending]) -> list[str]:
    """Return every broken promise, with where it was broken."""
    found = [f"{verdict.cell.name}: {what}" for verdict in verdicts for what in verdict.complaints]
    return found + [what for ending in endings for what in ending.complaints]


def _cell(verdicts: Sequence[Verdict]) -> str:
    came = [verdict for verdict in verdicts if verdict.reached]
    if not came:
        return "-"
    worst = max((verdict.recover_seconds or 0.0 for verdict in came), default=0.0)
    return f"{sum(verdict.passed for verdict in came)}/{len(came)}, well after {worst:.1f} s"


def _count(verdicts: Sequence[Verdict]) -> str:
    came = [verdict for verdict in verdicts if verdict.reached or not verdict.passed]
    return f"{sum(verdict.passed for verdict in came)}/{len(came)}" if came else "-"


def _group(ending: Ending) -> str:
    return f"{ending.end.group}{', slow driver' if ending.slow else ''}"


def _ended(endings: Sequence[Ending]) -> str:
    came = [ending for ending in endings if ending.fired or ending.complaints]
    if not came:
        return "-"
    worst = max((ending.restart_seconds or 0.0 for ending in came), default=0.0)
    return f"{sum(not ending.complaints for ending in came)}/{len(came)}, inside after {worst:.2f} s"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        _MARGIN + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
