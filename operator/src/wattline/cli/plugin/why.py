"""``kubectl wattline why``: the last decisions about an object and their reasons, from everybody who decides."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wattline.cli.plugin.cluster import Cluster, with_cluster
from wattline.cli.plugin.named import Named, named
from wattline.cli.plugin.parts import Part, Parts
from wattline.cli.tables import console, grouped
from wattline.doors.clock import utc
from wattline.doors.kube.client import Kube
from wattline.doors.kube.errors import NotFound
from wattline.doors.kube.resources import EVENTS, INFERENCE_POOLS, PODS, POWER_NODES, Json
from wattline.model.errors import ClusterError
from wattline.model.wire import DecisionsView

OF_THE_CLUSTER = "default"
"""Namespace where Events of objects without a namespace stand."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was decided, or seen."""

    at: str
    who: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Story:
    """All there is to tell of an object."""

    conditions: tuple[Line, ...]
    lines: tuple[Line, ...]
    """Newest first."""
    problems: tuple[str, ...]


@click.command()
@click.argument("thing", metavar="OBJECT")
@click.option(
    "--last", default=20, show_default=True, type=click.IntRange(1), help="How many decisions to show."
)
@with_cluster
def why(cluster: Cluster, thing: str, last: int) -> None:
    """Say why OBJECT is as it is: its conditions, and the last decisions about it, newest first.

    OBJECT is KIND/NAME: wpool/coder, pdom/row-a, node/gpu-1, pod/coder-5d4f, wf/fix-issue, gpu/GPU-3f2a…, run/ID.
    """
    about = named(thing, cluster.namespace)
    story = cluster.run(lambda kube: _tell(kube, about, cluster.ours))
    out = console()
    _show(story.conditions, out)
    _show(story.lines[:last], out)
    if not story.conditions and not story.lines:
        out.print(f"Nothing was decided about {thing} lately.")
    for problem in story.problems:
        click.echo(problem, err=True)


def _show(lines: Sequence[Line], out: Console) -> None:
    if not lines:
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    table.add_column()
    for line in lines:
        cells = (_moment(line.at, utc()), line.who, line.what, line.why)
        table.add_row(*map(Text, cells))  # brackets in a reason are no markup
    out.print(table)
    out.print()


async def _tell(kube: Kube, about: Named, ours: str) -> Story:
    thing = await _object(kube, about)
    problems: list[str] = []
    told: list[tuple[Part, DecisionsView]] = []
    lines = await _events(kube, about, problems)
    try:
        parts = await Parts.find(kube, ours)
        for of in (about.about, *about.relatives):
            said, unheard = await parts.decisions(_of(about, of), _nodes(about, thing))
            told += said
            problems += unheard
        if not parts.pods:
            problems.append(
                f"no pod of Wattline runs in namespace {ours}; say where with --wattline-namespace"
            )
    except ClusterError as error:
        problems.append(f"decisions are not known: {error}")
    lines += [Line(each.at, part.name, each.what, each.why) for part, view in told for each in view.decisions]
    ordered = sorted(set(lines), key=lambda line: line.at, reverse=True)
    standing = [*_conditions(thing), *_gpus(thing), *(await _as_replica(kube, about, problems))]
    return Story(tuple(standing), tuple(ordered), tuple(dict.fromkeys(problems)))


async def _object(kube: Kube, about: Named) -> Json:
    """Return the object; raise `click.ClickException` if it is not there."""
    if about.resource is None:
        return {}
    try:
        return await kube.get(about.resource, about.name, about.namespace)
    except NotFound as error:
        if "could not find" in str(error):
            raise
        where = f" in namespace {about.namespace}" if about.namespace else ""
        hint = (
            f"; a node has one once it is opted in: kubectl label node {about.name} wattline.dev/managed=true"
            if about.resource is POWER_NODES
            else ""
        )
        raise click.ClickException(f"there is no {about.kind} {about.name}{where}{hint}") from error


def _of(about: Named, of: str) -> dict[str, str | None]:
    """Return whom to ask about what; an agent is asked everything about its own node."""
    match about.kind:
        case "Run":
            return {"gateway": of}
        case "GPU":
            return {"agent": of}
        case "PowerNode":
            return {"operator": of, "agent": None}
    return {"operator": of, "gateway": of, "agent": of}


def _nodes(about: Named, thing: Json) -> tuple[str, ...] | None:
    """Return the nodes whose agents can know something; None means all."""
    match about.kind:
        case "PowerNode":
            return (about.name,)
        case "Pod":
            node = thing["spec"].get("nodeName")
            return (node,) if node else ()
        case "InferencePool":
            found = (thing.get("status") or {}).get("endpoints") or ()
            return tuple({each["node"] for each in found if each.get("node")})
        case "GPU":
            return None
    return ()


def _conditions(thing: Json) -> Iterable[Line]:
    for each in (thing.get("status") or {}).get("conditions") or ():
        reason = each.get("reason") or ""
        state = f"{each['type']} is {each['status']}" + (f", {reason}" if reason else "")
        yield Line(each.get("lastTransitionTime") or "", "condition", state, each.get("message") or "")


def _gpus(thing: Json) -> Iterable[Line]:
    """Yield how a node stands: its agent's state, and what is wrong with its GPUs."""
    if thing.get("kind") != POWER_NODES.kind:
        return
    status = thing.get("status") or {}
    gpus = status.get("gpus") or ()
    bound, budget = status.get("boundWatts", 0), thing["spec"].get("budgetWatts", 0)
    yield Line(
        "",
        "agent",
        f"state is {status.get('state', 'unknown: no agent has answered')}",
        f"{len(gpus)} {'GPU' if len(gpus) == 1 else 'GPUs'} can draw {bound:.0f} W, the order's budget is {budget:.0f} W",
    )
    for uuids, reason in grouped((gpu["uuid"], gpu.get("reason") or "") for gpu in gpus):
        yield Line("", "agent", uuids, reason)


async def _as_replica(kube: Kube, about: Named, problems: list[str]) -> list[Line]:
    """Return what pools say of a pod that is a replica of theirs."""
    if about.resource is not PODS:
        return []
    try:
        pools, _ = await kube.all(INFERENCE_POOLS, about.namespace)
    except ClusterError as error:
        problems.append(f"its pool is not known: {error}")
        return []
    return [
        Line(
            "",
            "replica",
            f"of wpool/{pool['metadata']['name']}, {'gets work' if each.get('traffic') else 'gets no work'}",
            each.get("reason") or f"on {', '.join(each.get('gpus') or ()) or 'no GPUs'}",
        )
        for pool in pools
        for each in (pool.get("status") or {}).get("endpoints") or ()
        if each["name"] == about.name
    ]


async def _events(kube: Kube, about: Named, problems: list[str]) -> list[Line]:
    if about.resource is None:
        return []
    chosen = f"regarding.kind={about.kind},regarding.name={about.name}"
    try:
        found, _ = await kube.all(EVENTS, about.namespace or OF_THE_CLUSTER, fields=chosen)
    except ClusterError as error:
        problems.append(f"Events are not known: {error}")
        return []
    return [_event(each) for each in found]


def _event(event: Json) -> Line:
    series = event.get("series") or {}
    at = series.get("lastObservedTime") or event.get("eventTime") or event.get("deprecatedLastTimestamp")
    times = int(series.get("count", 1))
    what = f"{event.get('reason', '')}" + (f" (×{times})" if times > 1 else "")
    return Line(str(at or ""), f"event {event.get('type', '')}".strip(), what, event.get("note") or "")


def _moment(at: str, today: str) -> str:
    """Return a time as a clock shows it here, with the day where that is not ``today``."""
    try:
        moment = datetime.fromisoformat(at).astimezone()
    except ValueError:
        return at
    same = moment.date() == datetime.fromisoformat(today).astimezone().date()
    return f"{moment:%H:%M:%S}" if same else f"{moment:%m-%d %H:%M:%S}"
