"""Medha's tables: orders at one load, and a prompt of a million tokens in chunks of each kind."""

from statistics import fmean

from bench.papers.figures import number
from bench.papers.medha.chunks import MILLION, NODE, fixed, packed
from bench.papers.medha.engine import GPUS, physics
from bench.papers.study import Bench, Json, Table

from wattline.policy.slack import SlackSpec


def million_table(bench: Bench) -> tuple[Table, float, str]:
    """Return one prompt of a million tokens in chunks of a size and in packed ones, beside 16 that decode."""
    rows = []
    gpus = bench.pick(ci=(GPUS,), reduced=(GPUS, NODE), full=(GPUS, NODE))
    ratio, said = 0.0, ""
    for count in gpus:
        model = physics(count)
        budget = 0.02 if count == GPUS else 0.1
        found = {f"{size:,}": fixed(model, MILLION, size) for size in (512, 2048, 8192)}
        found["packed"] = packed(model, MILLION, SlackSpec(budget_seconds=budget))
        for name, one in found.items():
            sizes = name if name != "packed" else f"{one.first_tokens:,} → {one.last_tokens:,}"
            rows.append(
                (
                    str(count),
                    sizes,
                    f"{one.seconds:.1f} s",
                    f"{1000 * one.longest_seconds:.0f} ms",
                    f"{one.iterations:,}",
                )
            )
        if count == GPUS:
            mine, large = found["packed"], found["8,192"]
            ratio = mine.first_tokens / mine.last_tokens
            said = f"a million tokens: {mine.seconds:.1f} s packed, {large.seconds:.1f} s in chunks of 8,192"
    return (
        Table(
            f"A prompt of a million tokens beside 16 sequences that decode; packed within 20 ms, on {NODE} GPUs 100 ms",
            ("GPUs", "chunk, tokens", "first token after", "longest iteration", "iterations"),
            tuple(rows),
        ),
        ratio,
        said,
    )


def ordered_table(load: float, found: dict[str, list[Json]], without: list[Json] | None = None) -> Table:
    """Return first tokens under each order at one load."""

    def row(name: str, results: list[Json]) -> tuple[str, ...]:
        def mean(key: str, index: int) -> float:
            return fmean(one[key][index] for one in results)

        return (
            name,
            *(number(mean("seconds", index)) for index in range(3)),
            " / ".join(number(mean("normal", index)) for index in range(2)),
            " / ".join(number(mean("long", index)) for index in range(3)),
            f"{fmean(one['inside'] for one in results):.1f} %",
            f"{fmean(one['long_done'] for one in results):.0f}/{fmean(one['long_asked'] for one in results):.0f}",
            f"{fmean(one['unfinished'] for one in results):.0f}",
        )

    head = (
        "order", "P50 s", "P90 s", "P99 s", "of its work, P50 / P90", "long ones, of their work, P50 / P90 / P99", "within objective",
        "long answered by the end of arrivals", "unfinished",
    )  # fmt: skip
    rows = [row(name, results) for name, results in found.items()]
    if without is not None:
        rows.append(row("no long ones (FCFS)", without))
    return Table(f"First tokens, load {load:g}", head, tuple(rows))
