"""Domains, nodes and pools as tables: for ``wattline status`` on a box and ``kubectl wattline top`` in a cluster."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from wattline.api.base import Condition, ConditionStatus
from wattline.api.inferencepool import InferencePool
from wattline.api.powerdomain import PowerDomain
from wattline.doors.overview import NodeFiles
from wattline.model.fleet import full_name
from wattline.model.wire import GpusView, ReplicaLoad

PIPE_COLUMNS = 250

KINDS = ("domains", "nodes", "pools")


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to show."""

    domains: Sequence[PowerDomain] = ()
    nodes: Sequence[NodeFiles] = ()
    pools: Sequence[InferencePool] = ()
    readings: Mapping[str, GpusView] = field(default_factory=dict)
    """What agents read at this moment, by node, where somebody asked them."""
    loads: Sequence[ReplicaLoad] = ()
    """What gateways hold, likewise."""


def console() -> Console:
    """Return a console as wide as the terminal; a pipe gets whole lines."""
    made = Console()
    return made if made.is_terminal or "COLUMNS" in os.environ else Console(width=PIPE_COLUMNS)


def show(seen: Seen, out: Console, kinds: Sequence[str] = KINDS) -> None:
    """Print a table of each kind, with what there is to say of its rows below."""
    if not seen.domains and not seen.nodes and not seen.pools:
        out.print("No domains and no nodes yet.")
        return
    made = {
        "domains": _domains(seen.domains),
        "nodes": _nodes(seen.nodes, seen.readings),
        "pools": _pools(seen.pools, seen.loads),
    }
    for kind in kinds:
        table, notes = made[kind]
        if table.row_count:
            out.print(table)
            for note in notes:
                out.print(f"  {note}", style="dim", markup=False, soft_wrap=True)
            out.print()


def _domains(domains: Sequence[PowerDomain]) -> tuple[Table, list[str]]:
    table = _table("DOMAIN", "MODE", "BUDGET(W)", "MAYDRAW(W)", "DRAW(W)", "HEADROOM(W)", "REASON")
    notes: list[str] = []
    for domain in domains:
        now = domain.status
        conditions = now.conditions if now else ()
        reason = (
            _false(conditions, "Accepted")
            or _condition(conditions, "Released")
            or _condition(conditions, "Enforced")
        )
        may = now.may_draw_watts if now else None
        table.add_row(
            domain.metadata.name,
            domain.spec.mode,
            _watts(domain.spec.budget.watts),
            _watts(may),
            _watts(now.draw_watts if now else None),
            _watts(None if may is None else domain.spec.budget.watts - may),
            reason.reason if reason else "-",
        )
        if reason is not None:
            notes.append(f"{domain.metadata.name}: {reason.message}")
    return table, notes


def _nodes(nodes: Sequence[NodeFiles], readings: Mapping[str, GpusView]) -> tuple[Table, list[str]]:
    table = _table(
        "NODE", "STATE", "BUDGET(W)", "BOUND(W)", "DEMAND(W)", "DRAW(W)", "MAX(°C)", "GPUS", "ORDER"
    )
    notes: list[str] = []
    for node in nodes:
        spec = node.order.spec if node.order else None
        now, reading = node.answer, readings.get(node.name)
        told = grouped((gpu.uuid, gpu.reason) for gpu in now.gpus) if now else []
        notes += [f"{node.name} {gpus}: {reason}" for gpus, reason in told]
        table.add_row(
            node.name,
            now.state if now else "no agent",
            _watts(spec.budget_watts if spec else None),
            _watts(now.bound_watts if now else None),
            _watts(now.demand_watts if now else None),
            _watts(None if reading is None else sum(gpu.watts for gpu in reading.gpus)),
            _celsius(reading),
            str(len(now.gpus)) if now else "-",
            _order(node),
        )
    return table, notes


def grouped(reasons: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return GPUs in words and their reason, those of one reason together; GPUs without a reason are left out."""
    by_reason: dict[str, list[str]] = {}
    for uuid, reason in reasons:
        if reason:
            by_reason.setdefault(reason, []).append(uuid)
    return [
        (uuids[0] if len(uuids) == 1 else f"{uuids[0]} and {len(uuids) - 1} more", reason)
        for reason, uuids in by_reason.items()
    ]


def _order(node: NodeFiles) -> str:
    """Return where a node's order stands with its agent."""
    if node.order is None:
        return "none"
    kind = "enforce" if node.order.spec.enforce else "release" if node.order.spec.release else "observe"
    answer = node.answer
    done = (
        answer is not None
        and answer.observed_generation >= node.order.metadata.generation
        and answer.epoch == node.order.spec.epoch
    )
    return kind if done else f"{kind} (waiting)"


def _pools(pools: Sequence[InferencePool], loads: Sequence[ReplicaLoad]) -> tuple[Table, list[str]]:
    table = _table("POOL", "MODEL", "READY", "CAP(W)", "DRAW(W)", "RESIDENT", "REASON")
    notes: list[str] = []
    for pool in pools:
        now, name = pool.status, full_name(pool)
        conditions = now.conditions if now else ()
        reason = _false(conditions, "Accepted") or _condition(conditions, "Ready")
        table.add_row(
            name,
            pool.spec.model,
            (now.ready or f"{now.ready_replicas}/{now.replicas}") if now else "-",
            _watts(now.cap_watts if now else None),
            _watts(now.draw_watts if now else None),
            _resident([load for load in loads if load.pool == name]),
            reason.reason if reason else "-",
        )
        if reason is not None and reason.status is not ConditionStatus.TRUE:
            notes.append(f"{name}: {reason.message}")
    return table, notes


def _resident(loads: Sequence[ReplicaLoad]) -> str:
    """Return the resident share of the pool's memory; gateways each hold a part of it."""
    capacity = {load.name: load.capacity_tokens for load in loads if load.capacity_tokens}
    if not capacity:
        return "-"
    held = sum(load.resident_tokens for load in loads if load.name in capacity)
    return f"{100 * held / sum(capacity.values()):.0f} %"


def _celsius(reading: GpusView | None) -> str:
    return "-" if reading is None or not reading.gpus else f"{max(gpu.celsius for gpu in reading.gpus):.0f}"


def _condition(conditions: Sequence[Condition], kind: str) -> Condition | None:
    return next((condition for condition in conditions if condition.type == kind), None)


def _false(conditions: Sequence[Condition], kind: str) -> Condition | None:
    found = _condition(conditions, kind)
    return found if found is not None and found.status is ConditionStatus.FALSE else None


def _watts(watts: float | None) -> str:
    return "-" if watts is None else f"{watts:.0f}"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column.endswith(")") else "left", no_wrap=True)
    return table
