"""The options that say what agents are played and when they start."""

import asyncio
import re
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import click
import yaml

from wattline.cli.options import Finite
from wattline.model.errors import WattlineError
from wattline.sim.mix import OWN, POISSON, Source

TRACES = (
    click.option("--trace", "traces", multiple=True, metavar="PATH|NAME=PATH[:WEIGHT]",
                 help="Recorded agents, a file or a folder: agentcgroup, Claude Code, Azure, Mooncake, ServeGen or a "
                      "gateway's record; the format is found out. Repeatable with names: a mix, its rate divided by "
                      "weights. Runs are generated when unset."),
    click.option("--mix", type=click.Path(exists=True, dir_okay=False, path_type=Path),
                 help="The same as a YAML file, with arrivals, rate, tenant and harness for each trace."),
    click.option("--record", metavar="URL",
                 help="Play the turns that the live gateway at URL remembers."),
    click.option("--arrivals", metavar="own|poisson|PATH",
                 help="When runs start: as in the trace, Poisson, or as in another trace: Azure CSV, Mooncake JSON lines, a "
                      "gateway's record or ServeGen rate windows.  [default: own, where the trace has them, else poisson]"),
    click.option("--rate", type=Finite(min=0, min_open=True),
                 help="Runs per second: of the Poisson process, or what recorded arrivals are scaled to.  "
                      "[default: 0.01 for each replica; as recorded]"),
    click.option("--load", type=Finite(min=0, min_open=True), default=1.0, show_default=True,
                 help="Multiplies every rate; recorded arrivals come so much faster."),
)  # fmt: skip

_NAMED = re.compile(r"([A-Za-z0-9._-]+)=(.+?)(?::(\d+(?:\.\d+)?))?")

_KEYS = {"name", "path", "weight", "rate", "arrivals", "tenant", "harness", "workload"}


def sources(options: dict[str, Any]) -> tuple[Source, ...]:
    """Return what the options of `TRACES` name, but for rate and load."""
    texts, mixed, url = options["traces"], options["mix"], options["record"]
    arrivals: str | None = options["arrivals"]
    if sum(map(bool, (texts, mixed, url))) > 1:
        raise click.UsageError("--trace, --mix and --record each say what is played; take one of them")
    if arrivals is not None and arrivals not in {OWN, POISSON} and not Path(arrivals).exists():
        raise click.BadParameter(f"{arrivals}: there is no such file", param_hint="--arrivals")
    if mixed:
        if arrivals is not None:
            raise click.UsageError("with --mix, arrivals stand in its file")
        return _of_file(mixed)
    if url:
        return (Source(_recorded(url), arrivals=arrivals, origin=f"the gateway at {url}"),)
    return _of_texts(texts, arrivals)


def _of_texts(texts: Iterable[str], arrivals: str | None) -> tuple[Source, ...]:
    found = []
    for text in texts:
        named = None if Path(text).exists() else _NAMED.fullmatch(text)
        if named is None:
            found.append(Source(Path(text), arrivals=arrivals))
        else:
            found.append(
                Source(Path(named[2]), named[1], float(named[3] or 1), arrivals=arrivals, tenant=named[1])
            )
    return tuple(found) or (Source(arrivals=arrivals),)


def _of_file(path: Path) -> tuple[Source, ...]:
    """Return the traces of a mix; paths in it are relative to it."""
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise click.BadParameter(f"{path}: cannot be read: {error}", param_hint="--mix") from error
    entries = value.get("traces") if isinstance(value, dict) else None
    if not isinstance(entries, list) or not entries or not all(isinstance(each, dict) for each in entries):
        raise click.BadParameter(
            f"{path}: expected `traces:` and a list of traces with name and path", param_hint="--mix"
        )
    return tuple(
        _of_entry(f"{path}: trace {index}", path.parent, entry) for index, entry in enumerate(entries, 1)
    )


def _of_entry(place: str, folder: Path, entry: dict[str, Any]) -> Source:
    def said(what: str) -> click.BadParameter:
        return click.BadParameter(f"{place}: {what}", param_hint="--mix")

    unknown = sorted(set(map(str, entry)) - _KEYS)
    if unknown:
        raise said(f"{unknown[0]} is nothing of a trace; there is {', '.join(sorted(_KEYS))}")
    for key in ("name", "path", "arrivals", "tenant", "harness", "workload"):
        if not isinstance(entry.get(key, ""), str):
            raise said(f"{key}: expected text, not {entry[key]!r}")
    for key in ("weight", "rate"):
        number = entry.get(key, 1)
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < float("inf"):
            raise said(f"{key}: expected a number above 0, not {number!r}")
    name = entry.get("name", "")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise said(f"name: expected letters, digits, dots and dashes, not {name!r}")
    arrivals = entry.get("arrivals")
    if arrivals not in {None, OWN, POISSON}:
        arrivals = str(folder / str(arrivals))
        if not Path(arrivals).exists():
            raise said(f"arrivals: there is no {arrivals}")
    return Source(
        trace=folder / entry["path"] if entry.get("path") else None,
        name=name,
        weight=float(entry.get("weight", 1)),
        rate_per_second=float(entry["rate"]) if "rate" in entry else None,
        arrivals=arrivals,
        tenant=entry.get("tenant", name),
        harness=entry.get("harness", ""),
        workload=entry.get("workload"),
    )


@cache
def _recorded(url: str) -> Path:
    """Return a file with the turns that a gateway remembers now; it is there as long as the command runs."""
    try:
        from wattline.cli.record import fetched  # noqa: PLC0415 - the only part that needs the gateway extra
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"--record needs the Python package {error.name}: pip install 'wattline[gateway,sim]'"
        ) from error
    folder = click.get_current_context().with_resource(tempfile.TemporaryDirectory(prefix="wattline-"))
    file = Path(folder) / f"{re.sub(r'[^A-Za-z0-9.]+', '-', url.partition('://')[2] or url).strip('-')}.jsonl"
    try:
        taken = asyncio.run(fetched(url, file))
    except WattlineError as error:
        raise click.ClickException(str(error)) from error
    if not taken:
        raise click.ClickException(
            f"{url} remembers no turn; `wattline record {url} FILE` takes those that come"
        )
    return file
