"""Readers of measurements, one a format; which one reads a file is found by its header."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from wattline.profiles.points import Point, ProfileError
from wattline.profiles.readers import aiperf, metrics, mlenergy, plain, vllm
from wattline.profiles.readers.table import Given, Reading, text_of
from wattline.world.products import PRODUCTS

__all__ = ["FORMATS", "Given", "Reading", "load"]

MOST_PROBLEMS = 20
"""So many are shown at once."""
SAME_BATCH = (0.3, 3.0)
"""Tokens a second times the seconds between them, over the batch: the median latency is not the mean, but not so far off."""


class Format(NamedTuple):
    """How files of one kind are known and read."""

    knows: Callable[[frozenset[str]], bool]
    read: Callable[[Path, Given, Reading], None]
    what: str


FORMATS = {
    "plain": Format(
        plain.knows, plain.read, "CSV with the columns batch and watts, itlSeconds or tokensPerSecond"
    ),
    "mlenergy": Format(mlenergy.knows, mlenergy.read, "ML.ENERGY leaderboard configurations, CSV"),
    "vllm": Format(vllm.knows, vllm.read, "vllm bench serve result, JSON, JSON lines or sweep CSV"),
    "aiperf": Format(aiperf.knows, aiperf.read, "aiperf export, CSV"),
    "metrics": Format(
        metrics.knows, metrics.read, "our own metrics: Prometheus text with timestamps, or range CSV"
    ),
}
"""By name."""


def load(paths: Sequence[Path], given: Given, *, form: str | None = None) -> Reading:
    """Return the points of files; raise `ProfileError` with a line per problem."""
    reading = Reading()
    for path in paths:
        name = form or _known(path)
        FORMATS[name].read(path, given, reading)
    for point in reading.points:
        reading.problems.extend(_impossible(point))
    if reading.problems:
        shown = reading.problems[:MOST_PROBLEMS]
        more = len(reading.problems) - len(shown)
        raise ProfileError("\n".join([*shown, *([f"and {more} more"] if more else [])]))
    return reading


def _known(path: Path) -> str:
    text = text_of(path)
    start = text.lstrip()
    if not start:
        raise ProfileError(f"{path}:1: the file is empty")
    if start.startswith(("{", "[")):
        return "vllm"
    if metrics.is_exposition(start):
        return "metrics"
    columns = frozenset(name.strip() for name in start.splitlines()[0].split(","))
    for name, form in FORMATS.items():
        if form.knows(columns):
            return name
    kinds = "; ".join(f"{name}: {form.what}" for name, form in FORMATS.items())
    raise ProfileError(
        f"{path}:1: columns {', '.join(sorted(columns)[:8])} are of no known format; there is {kinds}"
    )


def _impossible(point: Point) -> list[str]:
    """Return what no machine can have measured."""
    product = PRODUCTS.get(point.subject.product)
    if product is None:
        return [
            f"{point.place}: GPU product {point.subject.product!r} is not known; there is: {', '.join(PRODUCTS)}"
        ]
    out = []
    if point.watts is not None and point.watts > 1.1 * product.max_watts:
        out.append(
            f"{point.place}: {point.watts:g} W is more than one {product.name} draws ({product.max_watts:g} W); "
            f"watts are of one GPU: divide by {point.subject.gpus}"
            if point.subject.gpus > 1
            else f"{point.place}: {point.watts:g} W is more than one {product.name} draws ({product.max_watts:g} W)"
        )
    if point.watts is not None and point.watts < 0.5 * product.idle_watts:
        out.append(f"{point.place}: {point.watts:g} W is less than half of what an idle {product.name} draws "
                   f"({product.idle_watts:g} W); is it in another unit?")  # fmt: skip
    if point.clock_mhz is not None and not product.min_mhz <= point.clock_mhz <= product.max_mhz:
        out.append(f"{point.place}: a {product.name} has clocks from {product.min_mhz} to {product.max_mhz} MHz, "
                   f"not {point.clock_mhz}")  # fmt: skip
    if point.itl_seconds is not None and point.itl_seconds > 5:
        out.append(f"{point.place}: {point.itl_seconds:g} s between tokens; itlSeconds is in seconds: "
                   f"{point.itl_seconds / 1e3:g}?")  # fmt: skip
    if point.itl_seconds is not None and point.tokens_per_second is not None:
        running = point.itl_seconds * point.tokens_per_second
        if not SAME_BATCH[0] <= running / point.sequences <= SAME_BATCH[1]:
            out.append(
                f"{point.place}: {point.tokens_per_second:g} tokens/s of {point.itl_seconds:g} s each are {running:.3g} "
                f"sequences at a time, but the batch is {point.sequences:.4g}; one of the three is of another unit or run"
            )
    return out
