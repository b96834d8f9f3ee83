"""``wattline simulate``: what would happen, on virtual time, before anything is bought or capped."""

import csv
import io
from pathlib import Path
from typing import Any

import click

from wattline.cli import answers
from wattline.cli.asking import asks, question, source, told, writable, written
from wattline.cli.options import Finite
from wattline.cli.tables import console
from wattline.sim.rates import SAMPLE_SECONDS
from wattline.sim.series import Series
from wattline.study import results
from wattline.study.answer import answer

POINTS = 720
"""About as many moments are recorded where nobody says how many."""


@click.command()
@asks
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Of runs, arrivals and the order they are dealt in.",
)
@click.option("--json", "out", type=click.Path(path_type=Path, allow_dash=True),
              help="Write one flat JSON object there; - is standard output. `wattline compare` reads it.")  # fmt: skip
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path),
              help="Write a page with plots and tables there; it needs nothing else.")  # fmt: skip
@click.option("--series", "series", type=click.Path(path_type=Path, allow_dash=True),
              help="Write watts, clocks, heat, memory and queues over time there, as CSV; - is standard output.")  # fmt: skip
@click.option("--series-seconds", type=Finite(min=SAMPLE_SECONDS),
              help="Distance of its moments, a multiple of 5 s.  [default: about 720 moments]")  # fmt: skip
def simulate(
    seed: int,
    out: Path | None,
    page: Path | None,
    series: Path | None,
    series_seconds: float | None,
    **options: Any,
) -> None:
    """Play agents against a fleet with the product's own policies, on virtual time.

    The fleet is a folder of manifests, as one would `kubectl apply` it, or a live cluster's. The same seed, trace and
    options give the same bytes. The figures are of simulated GPUs and engines.

    \b
    wattline simulate -f fleet --trace sessions.csv.gz --html report.html
    wattline simulate --from-cluster --budget row-a=-10%
    """  # noqa: D301 - click's mark that lines stay as they are is a backspace
    if series_seconds is not None and series_seconds % SAMPLE_SECONDS:
        raise click.BadParameter(
            f"expected a multiple of {SAMPLE_SECONDS:g} s", param_hint="--series-seconds"
        )
    if str(out) == "-" and str(series) == "-":
        raise click.UsageError("--json and --series cannot both be standard output")
    if page is not None or series is not None:
        distance = max(1, round(options["hours"] * 3600 / POINTS / SAMPLE_SECONDS)) * SAMPLE_SECONDS
        series_seconds = series_seconds or distance
    writable(out, page, series)
    with told():
        got = answer(question(source(options), options, seed=seed, series_seconds=series_seconds))
    if out is not None:
        written(out, results.text(got.flat()))
    if series is not None and got.report.series is not None:
        written(series, _csv(got.report.series))
    if page is not None:
        from wattline.study import answerpage  # noqa: PLC0415 - plots need a second that tables do not

        written(page, answerpage.page(got))
    if "-" not in (str(out), str(series)):
        answers.show(got, console())
        if page is not None:
            click.echo(f"\nPage with plots: {page}")


def _csv(series: Series) -> str:
    """Return a recording as CSV: a column for each figure of everything, of each domain and of each pool."""
    columns: dict[str, tuple[float | None, ...]] = {
        "at_seconds": series.at_seconds,
        "watts": series.watts,
        "clock_mhz": series.clock_mhz,
        "celsius": series.celsius,
    }
    columns |= {f"domains.{name}.watts": watts for name, watts in series.domain_watts.items()}
    for figure, by_pool in (
        ("resident_tokens", series.resident_tokens),
        ("capacity_tokens", series.capacity_tokens),
        ("running_turns", series.running_turns),
        ("held_turns", series.held_turns),
    ):
        columns |= {f"pools.{name}.{figure}": values for name, values in by_pool.items()}
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(columns)
    rows.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()
