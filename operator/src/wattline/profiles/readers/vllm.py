"""Results of `vllm bench serve` (JSON, JSON lines) and of its sweeps (CSV with the same names).

They hold no watts: those, GPU product, number of GPUs, clock and cap come from ``--metadata`` of the run, from columns
added to the CSV, or from the caller.
"""

from collections.abc import Iterator
from pathlib import Path

from wattline.profiles.points import Point
from wattline.profiles.readers.table import Given, Reading, Row, csv_rows, json_rows

NEEDED = frozenset({"output_throughput", "mean_tpot_ms", "completed"})


def knows(columns: frozenset[str]) -> bool:
    """Whether a header, or the keys of an object, are of these."""
    return columns >= NEEDED


def read(path: Path, given: Given, reading: Reading) -> None:
    """Add the points of a file."""
    for row in _rows(path, reading):
        completed = row.needed("requests that were served; did the run fail?", "completed")
        rate = row.needed("tokens per second", "output_throughput")
        between = row.needed("mean milliseconds between tokens", "mean_tpot_ms", "mean_itl_ms") / 1e3
        prompt = row.needed("tokens of all prompts", "total_input_tokens") / completed
        output = row.needed("tokens of all answers", "total_output_tokens") / completed
        running = rate * between
        most = row.number("max_concurrency")
        sequences = min(running, most) if most else running
        point = Point(
            subject=row.subject(given),
            place=row.place,
            sequences=sequences,
            prompt_tokens=prompt,
            output_tokens=output,
            clock_mhz=row.clock(given),
            cap_watts=row.cap(given),
            watts=row.number("watts"),
            itl_seconds=_seconds(row.number("median_itl_ms", "median_tpot_ms")),
            tokens_per_second=rate,
            # with an open arrival rate the first token waits in a queue that an operating point does not say
            ttft_seconds=_seconds(row.number("median_ttft_ms")) if most else None,
            fold=row.text("max_concurrency") or f"{sequences:.2g}",
        )
        if not row.broken:
            reading.points.append(point)


def _rows(path: Path, reading: Reading) -> Iterator[Row]:
    return csv_rows(path, reading) if ".csv" in path.suffixes else json_rows(path, reading)


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1e3
