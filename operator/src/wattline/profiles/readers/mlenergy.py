"""Rows of ML.ENERGY's leaderboard: one served configuration each, at default clocks."""

from pathlib import Path

from wattline.profiles.points import Point, Subject
from wattline.profiles.readers.table import Given, Reading, csv_rows
from wattline.world.measured import PROMPT_TOKENS
from wattline.world.products import PRODUCTS

NEEDED = frozenset(
    {"model_id", "task", "avg_batch_size", "avg_output_len", "avg_power_watts", "median_itl_ms"}
)


def knows(columns: frozenset[str]) -> bool:
    """Whether a header is one of these."""
    return columns >= NEEDED


def read(path: Path, given: Given, reading: Reading) -> None:
    """Add the points of a file: of language models whose prompt length is known; with ``given``, of those alone."""
    for row in csv_rows(path, reading):
        if not row.text("avg_batch_size"):
            reading.leave_out("no language model")
            continue
        subject = row.subject(Given())
        if subject.product not in PRODUCTS:
            reading.leave_out(f"GPU product {subject.product} is not known")
            continue
        asked = Subject(
            given.model or subject.model, given.product or subject.product, given.gpus or subject.gpus
        )
        if asked != subject:
            reading.leave_out("another model, product or number of GPUs than asked for")
            continue
        task = row.text("task")
        prompt = given.prompt_tokens or PROMPT_TOKENS.get(task)
        if prompt is None:
            reading.leave_out(f"prompt length of {task} is in no file; give --prompt-tokens")
            continue
        point = Point(
            subject=subject,
            place=row.place,
            sequences=row.needed("mean sequences at a time", "avg_batch_size"),
            prompt_tokens=prompt,
            output_tokens=row.needed("mean answer", "avg_output_len"),
            watts=row.needed("watts of all GPUs", "avg_power_watts") / subject.gpus,
            itl_seconds=row.needed("milliseconds between tokens", "median_itl_ms") / 1e3,
            tokens_per_second=row.number("output_throughput_tokens_per_sec"),
            fold=row.text("max_num_seqs"),
        )
        if not row.broken:
            reading.points.append(point)
