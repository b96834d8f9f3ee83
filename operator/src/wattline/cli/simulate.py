"""``wattline simulate``: what would happen, on virtual time, before anything is bought or capped."""

import json
from pathlib import Path
from random import Random

import click
from rich.console import Console
from rich.table import Table

from wattline.cli.options import files_option
from wattline.doors import manifests
from wattline.model.errors import ManifestError
from wattline.model.fleet import full_name
from wattline.policy.route import Mode
from wattline.sim import arrivals, traces
from wattline.sim.generate import generate
from wattline.sim.recording import Recording, TraceError
from wattline.sim.report import Report
from wattline.sim.scenario import Scenario, ScenarioError, chosen_pool
from wattline.sim.simulate import simulate as simulated
from wattline.sim.standing import wanted
from wattline.world.curve import SHAPES
from wattline.world.gpu import PRODUCTS

GENERATED_RUNS = 68
"""As many as the recorded runs that the generator is shaped like."""


@click.command()
@files_option(required=True)
@click.option("--trace", type=click.Path(path_type=Path),
              help="Recorded agents: agentcgroup llm_calls or Claude Code requests, CSV or CSV.gz, or their folder. "
                   "Runs are generated when unset.")  # fmt: skip
@click.option("--arrivals", "moments", type=click.Path(path_type=Path),
              help="When runs start: Azure conv CSV, Mooncake JSON lines or ServeGen rate windows; Poisson when unset.")  # fmt: skip
@click.option("--rate", type=click.FloatRange(min=0, min_open=True),
              help="Runs per second: of the Poisson process, or what the arrivals are scaled to. "
                   "[default: 0.01 for each replica]")  # fmt: skip
@click.option("--pool", help="The InferencePool that gets the runs, where there are several.")
@click.option(
    "--routing", type=click.Choice([mode.value for mode in Mode]), default="wattline", show_default=True
)
@click.option("--admission", type=click.Choice(["off", "on"]), default="on", show_default=True)
@click.option("--clock", default="wattline", show_default=True, metavar="full|MHZ|wattline")
@click.option("--cap", type=click.Choice(["none", "uniform", "wattline"]), default="none", show_default=True,
              help="How the domains' budgets are kept: not, by equal static limits, or by sharing.")  # fmt: skip
@click.option("--shape", type=click.Choice(sorted(SHAPES)), default="perseus", show_default=True,
              help="Clock-power curve of the simulated GPUs.")  # fmt: skip
@click.option("--product", type=click.Choice(sorted(PRODUCTS)), default="h100", show_default=True)
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), default=3.0, show_default=True,
              help="Arrivals end then; the simulation goes on until all runs have ended.")  # fmt: skip
@click.option("--shared-prefix", type=click.Choice(["on", "off"]), default="on", show_default=True,
              help="Whether runs of one harness share their opening prompt.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--json", "out", type=click.Path(path_type=Path, allow_dash=True),
              help="Write one flat JSON object there; - is standard output.")  # fmt: skip
def simulate(
    files: tuple[Path, ...],
    trace: Path | None,
    moments: Path | None,
    rate: float | None,
    pool: str | None,
    routing: str,
    admission: str,
    clock: str,
    cap: str,
    shape: str,
    product: str,
    hours: float,
    shared_prefix: str,
    seed: int,
    out: Path | None,
) -> None:
    """Play agents against a fleet with the product's own policies, on virtual time.

    The same seed, trace and options give the same bytes. The figures are of simulated GPUs and engines.
    """
    try:
        fleet = manifests.load(files, clustered=True)
        served = chosen_pool(fleet, pool)
        recording = _recording(trace, seed, shared=shared_prefix == "on")
        if rate is None and moments is None:
            rate = 0.01 * wanted(served)
        rng = Random(seed)
        starts = (
            arrivals.poisson(rate or 0.0, hours, rng)
            if moments is None
            else arrivals.recorded(moments, rate, hours, rng)
        )
        report = simulated(
            Scenario(
                fleet=fleet,
                pool=full_name(served),
                arrivals=arrivals.schedule(recording, starts, rng),
                hours=hours,
                product=product,
                routing=Mode(routing),
                admission=admission == "on",
                clock=_clock(clock),
                cap=cap,  # type: ignore[arg-type]  # click.Choice allows these three alone
                shape=SHAPES[shape],
                seed=seed,
            )
        )
    except ManifestError as error:
        raise click.ClickException(f"the manifests have problems:\n{error}") from error
    except (TraceError, ScenarioError) as error:
        raise click.ClickException(str(error)) from error
    if out is not None:
        _write(out, json.dumps(report.flat(), indent=2) + "\n")
    if out is None or str(out) != "-":
        _show(report, generated=trace is None)


def _recording(trace: Path | None, seed: int, *, shared: bool) -> Recording:
    if trace is None:
        return generate(GENERATED_RUNS, seed, shared_prefix=shared)
    return traces.load(trace, shared_prefix=shared)


def _clock(text: str) -> int | str | None:
    if text in {"full", "wattline"}:
        return None if text == "full" else text
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise click.BadParameter(f"expected full, wattline or a clock in MHz, not {text!r}", param_hint="--clock")


def _write(out: Path, text: str) -> None:
    try:
        if str(out) == "-":
            click.echo(text, nl=False)
        else:
            out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write {out}: {error}") from error


def _show(report: Report, *, generated: bool) -> None:
    console = Console()
    if generated:
        console.print("Runs are generated, shaped like recorded ones; give --trace to play yours.")
    table = Table(show_header=False, box=None)
    for name, value in report.flat().items():
        shown = "-" if value is None else f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"
        table.add_row(name, shown)
    console.print(table)
    for note in report.notes:
        console.print(note)
