"""What measured points cannot be: latency that falls with the batch, watts that fall with the clock."""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from wattline.profiles.points import Point

NOISE = 0.05
"""So much may neighbouring measurements contradict each other by."""


def contradictions(points: Sequence[Point], noise: float = NOISE) -> list[str]:
    """Return what is not monotone beyond noise, a sentence for each pair of points, with places and remedy."""
    return [*_by_batch(points, noise), *_by_clock(points, noise)]


def _by_batch(points: Sequence[Point], noise: float) -> Iterator[str]:
    def rest(point: Point) -> tuple[str, int, float, int]:
        tokens = round((point.prompt_tokens + point.cached_tokens) / 64)
        return str(point.subject), point.clock_mhz or 0, point.cap_watts or 0.0, tokens

    for _, group in groupby(sorted(points, key=lambda p: (rest(p), p.sequences)), key=rest):
        timed = [point for point in group if point.itl_seconds is not None]
        for before, after in pairwise(timed):
            if after.sequences <= before.sequences * (1 + noise) or not _same_answers(before, after):
                continue
            was, now = before.itl_seconds or 0.0, after.itl_seconds or 0.0
            if now < was * (1 - noise):
                yield (
                    f"{after.place}: {now * 1e3:.4g} ms between tokens with {after.sequences:.4g} running, but "
                    f"{was * 1e3:.4g} ms with {before.sequences:.4g} ({before.place}); latency does not fall with the "
                    "batch: measure one of them again, longer and after a warm-up, or leave it out"
                )


def _same_answers(one: Point, other: Point) -> bool:
    return abs(one.output_tokens - other.output_tokens) <= 0.25 * max(one.output_tokens, other.output_tokens)


def _by_clock(points: Sequence[Point], noise: float) -> Iterator[str]:
    def rest(point: Point) -> tuple[str, str, float, int, int]:
        tokens = round((point.prompt_tokens + point.cached_tokens) / 64)
        return str(point.subject), point.fold, point.cap_watts or 0.0, tokens, round(point.output_tokens / 64)

    locked = [point for point in points if point.clock_mhz is not None]
    for _, group in groupby(sorted(locked, key=lambda p: (rest(p), p.clock_mhz or 0)), key=rest):
        for before, after in pairwise(group):
            if (after.clock_mhz or 0) <= (before.clock_mhz or 0):
                continue
            if before.watts and after.watts and after.watts < before.watts * (1 - noise):
                yield (
                    f"{after.place}: {after.watts:.4g} W at {after.clock_mhz} MHz, but {before.watts:.4g} W at "
                    f"{before.clock_mhz} MHz ({before.place}); watts do not fall with the clock: was the lock in force, "
                    "or a power limit or heat? Measure one of them again, or leave it out"
                )
            if (
                before.itl_seconds
                and after.itl_seconds
                and after.itl_seconds > before.itl_seconds * (1 + noise)
            ):
                yield (
                    f"{after.place}: {after.itl_seconds * 1e3:.4g} ms between tokens at {after.clock_mhz} MHz, but "
                    f"{before.itl_seconds * 1e3:.4g} ms at {before.clock_mhz} MHz ({before.place}); latency does not rise "
                    "with the clock: measure one of them again, or leave it out"
                )
