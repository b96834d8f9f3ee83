"""``wattline sweep``: one question over a grid of options and several seeds, on all cores or on a Ray cluster."""

import importlib
import itertools
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import click
import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from wattline.cli.asking import asks, question, source, told, writable, written
from wattline.cli.tables import console
from wattline.study import sweep as study
from wattline.study.intervals import Interval
from wattline.study.quantities import BY_KEY, Quantity
from wattline.study.workers import Play, on_cores, on_ray

SHOWN = (
    "joules_per_finished_run", "mean_watts", "over_budget_seconds", "runs_finished", "run_seconds_p95",
    "ttft_seconds_p99", "tokens_per_second_per_agent_p5", "recomputed_ratio",
)  # fmt: skip
"""Columns of the table; all other figures stand in the files."""

GRID_FIELDS = ("options", "vary", "seeds")

_OWN = frozenset({"varied", "grid", "seeds", "jobs", "ray_address", "folder", "page"})
"""Options that are the sweep's and not the question's."""


@click.command()
@asks
@click.option("--vary", "varied", multiple=True, metavar="OPTION=A,B,…",
              help="An option above and the values it takes, e.g. clock=full,900,wattline. Repeatable: all combinations.")  # fmt: skip
@click.option("--grid", type=click.Path(dir_okay=False, path_type=Path),
              help="YAML with `options`, `vary` (option: list of values) and `seeds`, beside or instead of the command line's.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(min=1), help="Seeds 1 to N of each combination.  [default: 5]")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=None,
    help="Processes at once.  [default: the cores there are]",
)
@click.option("--ray", "ray_address", is_flag=False, flag_value="", default=None, metavar="[ADDRESS]",
              help="Play on the Ray cluster at ADDRESS, or on one of this machine without it.")  # fmt: skip
@click.option("--out", "folder", type=click.Path(file_okay=False, path_type=Path), required=True,
              help="Folder of the results; a sweep that was stopped goes on from it.")  # fmt: skip
@click.option(
    "--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with plots there."
)
@click.pass_context
def sweep(
    ctx: click.Context,
    /,
    varied: tuple[str, ...],
    grid: Path | None,
    seeds: int | None,
    jobs: int | None,
    ray_address: str | None,
    folder: Path,
    page: Path | None,
    **options: Any,
) -> None:
    """Ask `wattline simulate`'s question for every combination of options, under several seeds.

    Each answer is a file OUT/VARIANT/seed-N.json as soon as it is there, with the hash of its inputs and of the code:
    the same command goes on where it was stopped, and plays again what has changed. `wattline compare` takes the
    folders of two variants. OUT/results.csv and OUT/results.json hold all of it.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    axes = _axes(varied)
    if grid is not None:
        axes, options, seeds = _with_grid(ctx, grid, axes, options, seeds)
    with told():
        replicas = [value for name, values in axes if name == "replicas" for value in values]
        base = source(options, resized=replicas)
        asked = []
        for values in itertools.product(*(values for _, values in axes)):
            variant = tuple(zip((name for name, _ in axes), values, strict=True))
            changed = options | dict(_option(ctx, name, value) for name, value in variant)
            asked += [(variant, question(base, changed, seed=seed)) for seed in range(1, (seeds or 5) + 1)]
        cells = study.cells(folder, asked)
        _writable(folder)
        writable(page)
        ended = _played(cells, _workers(jobs, ray_address))
    made = study.variants(ended)
    written(folder / "results.csv", study.table(made))
    written(folder / "results.json", json.dumps(study.whole(made), indent=2) + "\n")
    _show(made, folder)
    if page is not None:
        from wattline.study import sweeppage  # noqa: PLC0415 - plots need a second that tables do not

        written(page, sweeppage.page(made, base.origin))
        click.echo(f"Page with plots: {page}")
    problems = [each for each in ended if each.result is None]
    for each in problems:
        click.echo(
            f"{study.name_of(each.cell.varied)}, seed {each.cell.question.seed}: {each.problem}", err=True
        )
    if problems:
        raise click.ClickException(
            f"{len(problems)} of {len(cells)} cells have no answer; the others are kept"
        )


def _axes(varied: Sequence[str]) -> list[tuple[str, list[str]]]:
    out = []
    for text in varied:
        name, equals, values = text.partition("=")
        listed = [value.strip() for value in values.split(",") if value.strip()]
        if not equals or not name.strip() or not listed:
            raise click.BadParameter(
                f"{text!r} is not OPTION=A,B,…, e.g. clock=full,900,wattline", param_hint="--vary"
            )
        out.append((name.strip().removeprefix("--"), listed))
    twice = [name for name, _ in out if [other for other, _ in out].count(name) > 1]
    if twice:
        raise click.BadParameter(f"{twice[0]} stands twice; give all its values at once", param_hint="--vary")
    return out


def _with_grid(
    ctx: click.Context,
    path: Path,
    axes: list[tuple[str, list[str]]],
    options: dict[str, Any],
    seeds: int | None,
) -> tuple[list[tuple[str, list[str]]], dict[str, Any], int | None]:
    """Return axes, options and seeds with those of a file; what the command line says goes before."""
    grid = _grid(path)
    told_names = {
        name for name in options if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    for name, value in grid["options"].items():
        try:
            key, parsed = _option(ctx, name, value)
        except click.BadParameter as error:
            raise click.ClickException(f"{path}: options.{name}: {error.message}") from error
        if key not in told_names:
            options = options | {key: parsed}
    known = {name for name, _ in axes}
    for name, values in grid["vary"].items():
        if not isinstance(values, list) or not values:
            raise click.ClickException(f"{path}: vary.{name}: expected a list of values, e.g. [full, 900]")
        if name not in known:
            axes = [*axes, (name, [str(value) for value in values])]
    return axes, options, seeds if seeds is not None else grid["seeds"]


def _grid(path: Path) -> dict[str, Any]:
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise click.ClickException(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(read, dict) or set(read) - set(GRID_FIELDS):
        raise click.ClickException(
            f"{path}: expected a mapping with {', '.join(GRID_FIELDS)} and nothing else"
        )
    for name in ("options", "vary"):
        if not isinstance(read.setdefault(name, {}), dict):
            raise click.ClickException(f"{path}: {name}: expected a mapping of options to their values")
    count = read.setdefault("seeds", None)
    if count is not None and (not isinstance(count, int) or count < 1):
        raise click.ClickException(f"{path}: seeds: expected a whole number of 1 or more, not {count!r}")
    return read


def _option(ctx: click.Context, name: str, value: object) -> tuple[str, Any]:
    """Return an option's key and its value as the command line would have it."""
    known = {
        text.removeprefix("--"): param
        for param in ctx.command.params
        for text in param.opts
        if text.startswith("--") and param.name not in _OWN
    }
    param = known.get(name)
    if param is None or param.name is None:
        raise click.BadParameter(f"there is no option {name} to vary; there is: {', '.join(sorted(known))}")
    listed = value if isinstance(value, list) else [value]
    texts = [("on" if each else "off") if isinstance(each, bool) else str(each) for each in listed]
    if param.multiple:
        return param.name, param.type_cast_value(ctx, tuple(texts))
    if len(texts) != 1:
        raise click.BadParameter(f"{name} takes one value, not {len(texts)}; several stand under `vary`")
    return param.name, param.type_cast_value(ctx, texts[0])


def _writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(f"cannot write into {folder}: {error.strerror}") from error


def _workers(jobs: int | None, ray_address: str | None) -> Play:
    if ray_address is None:
        return partial(on_cores, jobs=jobs or _cores())
    try:
        ray = importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise click.ClickException(
            "--ray needs Ray: pip install ray; or sweep without it on this machine's cores"
        ) from error
    return partial(on_ray, ray=ray, address=ray_address)


def _cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _played(cells: Sequence[study.Cell], workers: Play) -> list[study.Ended]:
    """Play what is missing under a progress bar; return all cells in their order."""
    kept = {index: result for index, cell in enumerate(cells) if (result := cell.kept()) is not None}
    wanted = [cell for index, cell in enumerate(cells) if index not in kept]
    out = console()
    if kept:
        out.print(f"{len(kept)} of {len(cells)} cells are there already", highlight=False)
    if others := sum(cell.path.exists() for cell in wanted):
        out.print(
            f"{others} of {len(cells)} cells are answers of other code, or to another question: played again",
            highlight=False,
        )
    ended = {cells[index].path: study.Ended(cells[index], result) for index, result in kept.items()}
    if wanted:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        try:
            with Progress(*columns, console=out) as bar, closing(study.play(wanted, workers)) as coming:
                task = bar.add_task("simulating", total=len(cells), completed=len(kept))
                for each in coming:
                    ended[each.cell.path] = each
                    bar.advance(task)
        except KeyboardInterrupt:
            done = sum(each.result is not None for each in ended.values())
            click.echo(f"stopped: {done} of {len(cells)} cells are kept; the same command goes on", err=True)
            sys.exit(130)
    return [ended[cell.path] for cell in cells]


def _show(made: Sequence[study.Variant], folder: Path) -> None:
    out = console()
    names = list(dict.fromkeys(name for variant in made for name, _ in variant.varied))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names or ["variant"]:
        table.add_column(name, no_wrap=True)
    table.add_column("seeds", justify="right")
    for key in SHOWN:
        unit = f"\n{BY_KEY[key].unit}" if BY_KEY[key].unit else ""
        table.add_column(f"{BY_KEY[key].title}{unit}", justify="right")
    for variant in made:
        values = dict(variant.varied)
        table.add_row(
            *([values.get(name, "") for name in names] or [variant.name]),
            str(len(variant.results)),
            *(_figure(BY_KEY[key], variant.of(key)) for key in SHOWN),
        )
    out.print(
        "\nSimulated, not a hardware result; means over seeds ± half of their 95 % interval", highlight=False
    )
    out.print(table, highlight=False)
    out.print(
        f"\nAll figures: {folder / 'results.csv'}, {folder / 'results.json'}", highlight=False, soft_wrap=True
    )
    if pair := study.comparable(made):
        both = " ".join(f"'{folder / variant.name}'" for variant in pair)
        out.print(f"What differs: wattline compare {both}", highlight=False, soft_wrap=True)


def _figure(quantity: Quantity, value: Interval | None) -> str:
    if value is None:
        return "-"
    half = f" ± {quantity.figure(value.half)}" if value.half else ""
    return f"{quantity.figure(value.mean)}{half}"
