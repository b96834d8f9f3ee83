"""A comparison as text: for a terminal and for a page."""

from wattline.study.compare import Comparison, Row
from wattline.study.intervals import Interval

HEADINGS = ("", "A", "B", "B - A", "in %", "")


def cells(row: Row) -> tuple[str, ...]:
    """Return a row as text: title, A, B, difference with interval, in percent, verdict."""
    quantity = row.quantity

    def shown(value: Interval) -> str:
        half = "" if not value.half else f" ± {quantity.figure(value.half)}"
        return f"{quantity.figure(value.mean)}{half}"

    percent = ""
    if row.percent is not None:
        half = "" if not row.percent.half else f" ± {row.percent.half:.1f}"
        percent = f"{row.percent.mean:+.1f}{half} %"
    sign = "+" if row.difference.mean > 0 else ""
    unit = f", {quantity.unit}" if quantity.unit else ""
    return (
        f"{quantity.title}{unit}",
        shown(row.before),
        shown(row.after),
        sign + shown(row.difference),
        percent,
        str(row.verdict),
    )


def seeds(found: Comparison) -> str:
    """Return which seeds count, and what is missing for an interval."""
    count = len(found.seeds)
    text = f"{count} seed{'s' if count > 1 else ''} in both ({', '.join(str(seed) for seed in found.seeds)})"
    if found.left_out:
        text += f"; left out, as only one has them: {', '.join(str(seed) for seed in found.left_out)}"
    if count == 1:
        text += "; one seed gives no interval: play more (`wattline sweep --seeds 5`)"
    return text
