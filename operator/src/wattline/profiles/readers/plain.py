"""The plain CSV: one operating point a row, in our own column names."""

from pathlib import Path

from wattline.profiles.points import Point
from wattline.profiles.readers.table import Given, Reading, Row, csv_rows

COLUMNS = (
    "model", "gpu", "gpus", "clockMhz", "capWatts", "batch", "contextTokens", "promptTokens", "outputTokens",
    "watts", "itlSeconds", "tokensPerSecond", "ttftSeconds",
)  # fmt: skip
"""All columns; batch and at least one measured quantity have to be there."""


def knows(columns: frozenset[str]) -> bool:
    """Whether a header is one of these."""
    return "batch" in columns and bool(columns & {"watts", "itlSeconds", "tokensPerSecond"})


def read(path: Path, given: Given, reading: Reading) -> None:
    """Add the points of a file."""
    for row in csv_rows(path, reading):
        batch = row.needed("how many sequences ran at a time?", "batch")
        cached, prompt, output = _tokens(row, given)
        point = Point(
            subject=row.subject(given),
            place=row.place,
            sequences=batch,
            prompt_tokens=prompt,
            output_tokens=output,
            cached_tokens=cached,
            clock_mhz=row.clock(given),
            cap_watts=row.cap(given),
            watts=row.number("watts"),
            itl_seconds=row.number("itlSeconds"),
            tokens_per_second=row.number("tokensPerSecond"),
            ttft_seconds=row.number("ttftSeconds"),
            fold=f"{batch:g}",
        )
        if not row.broken:
            reading.points.append(point)


def _tokens(row: Row, given: Given) -> tuple[float, float, float]:
    """Return cached, prompt and output tokens. Context alone is a batch that decodes and takes in no prompts."""
    context = row.number("contextTokens")
    prompt = row.number("promptTokens", least=-1.0)
    output = row.number("outputTokens")
    prompt = given.prompt_tokens if prompt is None else prompt
    if prompt is None and output is None and context is not None:
        return 0.0, 0.0, 2.0 * context
    if prompt is None or output is None:
        row.problem(
            "no promptTokens and outputTokens; give both (mean per request), or contextTokens alone for a batch "
            "that only decodes"
        )
        return 0.0, 0.0, 1.0
    if context is None:
        return 0.0, prompt, output
    cached = context - prompt - output / 2.0
    if cached < -0.01 * context:
        row.problem(
            f"contextTokens {context:g} is less than promptTokens {prompt:g} and half of outputTokens {output:g}; "
            "it is the mean context of a running sequence"
        )
    return max(cached, 0.0), prompt, output
