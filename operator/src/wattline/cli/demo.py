"""``wattline demo``: agents, gateway, node agents and simulated GPUs on this machine, three ways of running them."""

import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path

import click

from wattline.demo import fast, html, table
from wattline.demo.fleet import EXAMPLE
from wattline.demo.processes import PartFailedError
from wattline.demo.runs import Load, choose
from wattline.demo.show import Shown, three_passes
from wattline.demo.stage import Setting
from wattline.demo.view import view
from wattline.doors import manifests
from wattline.fake.nvml import library
from wattline.model.errors import ManifestError
from wattline.model.fleet import Fleet
from wattline.sim.recording import TraceError
from wattline.sim.scenario import ScenarioError, physics_of

ARRIVE_WITHIN = 0.3
"""Runs start within this part of a pass."""


@click.command()
@click.option("--fast", "simulate", is_flag=True, help="Simulate the three passes in virtual time instead.")
@click.option(
    "--trace",
    type=click.Path(exists=True, path_type=Path),
    help="Recorded runs: a folder or file of a public trace.",
)
@click.option(
    "-f",
    "--folder",
    default=EXAMPLE,
    type=click.Path(path_type=Path),
    help="Manifests of the fleet  [default: examples/two-nodes]",
)
@click.option("--product", default="h100", show_default=True, help="GPU product: h100, h100-nvl, h200, a100.")
@click.option(
    "--seed", default=7, show_default=True, help="Seed of the choice of runs and of when they start."
)
@click.option(
    "--speed",
    default=20.0,
    show_default=True,
    type=click.FloatRange(min=0.5),
    help="World seconds to a second; lowered if the machine does not keep up.",
)
@click.option(
    "--pass-seconds",
    default=42.0,
    show_default=True,
    type=click.FloatRange(min=1),
    help="Wall time after which a pass ends with whatever is unfinished.",
)
@click.option(
    "--report",
    default=Path("demo-report.html"),
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the report with plots goes.",
)
def demo(
    simulate: bool,
    trace: Path | None,
    folder: Path,
    product: str,
    seed: int,
    speed: float,
    pass_seconds: float,
    report: Path,
) -> None:
    """Show what Wattline does on this machine, without a GPU.

    Forty agent runs on simulated GPUs: at full clocks, under a uniform static limit, and under Wattline, the last
    two within 0.75 of the first one's peak. Every part is the real one, as a process of its own; nothing stays.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    if not report.absolute().parent.is_dir():
        raise click.ClickException(f"{report.parent}: there is no such folder for the report")
    try:
        fleet = _fleet(folder)
        load = choose(
            trace,
            seed,
            arrive_within_seconds=ARRIVE_WITHIN * pass_seconds * speed,
            longest_tokens=_longest_tokens(fleet, product),
        )
        with tempfile.TemporaryDirectory(prefix="wattline-demo-") as work:
            setting = Setting(
                Path(work), fleet, Path(work) / "lib", product, speed, seed, pass_seconds * speed
            )
            if simulate:
                click.echo(_heading(setting, load, "simulated") + "\n")
                click.echo(table.text(fast.three_rows(setting, load)))
                return
            library.build(setting.library)
            click.echo(_heading(setting, load, f"speed {speed:g}") + "\n")
            shown = _show(setting, load)
    except (ManifestError, TraceError, ScenarioError, library.BuildError, PartFailedError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("stopped: every process has ended, every device is as it was", err=True)
        sys.exit(130)
    _report(shown, _heading(setting, load, f"speed {shown.speed:g}"), folder, report)


def _show(setting: Setting, load: Load) -> Shown:
    with view() as shows:
        return asyncio.run(three_passes(setting, load, shows))


def _report(shown: Shown, heading: str, folder: Path, path: Path) -> None:
    click.echo("\n" + table.text([table.measured(result, shown.budget_watts) for result in shown.results]))
    path.write_text(html.page(shown, heading), encoding="utf-8")
    shortest = os.path.relpath(folder)
    again = f"wattline simulate -f {folder if shortest.startswith('..') else shortest} --trace YOURS"
    click.echo(f"\nReport with plots: {path}      The same on your trace: {again}")


def _fleet(folder: Path) -> Fleet:
    fleet = manifests.load([folder])
    if len(fleet.pools) != 1 or not fleet.domains:
        raise click.ClickException(
            f"{folder}: the demo plays one InferencePool under at least one PowerDomain"
        )
    return fleet


def _longest_tokens(fleet: Fleet, product: str) -> int:
    """Return the longest run that any replica can be given."""
    share = fleet.pools[0].spec.memory.never_above
    engines = physics_of(fleet.pools[0], product)
    return min(min(one.max_context_tokens, int(share * one.capacity_tokens)) for one in engines)


def _heading(setting: Setting, load: Load, how: str) -> str:
    nodes = len(setting.nodes)
    gpus = sum(len(endpoint.gpus) for pool in setting.fleet.pools for endpoint in pool.spec.endpoints)
    return (
        f"{nodes} nodes, {gpus} simulated {setting.product.upper()}s · {len(load.arrivals)} {load.source}, "
        f"{load.turns:,} turns · {how} · seed {setting.seed}"
    )
