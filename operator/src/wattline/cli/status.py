"""``wattline status``: what the reconcile loop and the agents say, as tables."""

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from wattline.api.base import Condition, ConditionStatus
from wattline.api.inferencepool import InferencePool
from wattline.api.powerdomain import PowerDomain
from wattline.cli.options import state_option
from wattline.doors.overview import NodeFiles, Overview, overview
from wattline.model.errors import WattlineError
from wattline.model.fleet import full_name


@click.command()
@state_option
def status(state: Path) -> None:
    """Show domains, nodes and pools: what they may draw, what they draw, and why."""
    if not state.is_dir():
        raise click.ClickException(
            f"there is no state folder {state}; start `wattline up FOLDER --state {state}`"
        )
    try:
        show(overview(state), Console())
    except WattlineError as error:
        raise click.ClickException(str(error)) from error


def show(seen: Overview, console: Console) -> None:
    """Print a table of each kind, with what there is to say of its rows below."""
    if seen.holder_pid is None:
        console.print(
            "Nobody balances here: `wattline up` is not running, the figures are from its last pass."
        )
    if not seen.domains and not seen.nodes:
        console.print("No domains and no nodes yet.")
        return
    for table, notes in (_domains(seen.domains), _nodes(seen.nodes), _pools(seen.pools)):
        if table.row_count:
            console.print(table)
            for note in notes:
                console.print(f"  {note}", style="dim")
            console.print()


def _domains(domains: Sequence[PowerDomain]) -> tuple[Table, list[str]]:
    table = _table("DOMAIN", "MODE", "BUDGET(W)", "MAYDRAW(W)", "DRAW(W)", "HEADROOM(W)", "REASON")
    notes: list[str] = []
    for domain in domains:
        now = domain.status
        conditions = now.conditions if now else ()
        reason = _condition(conditions, "Released") or _condition(conditions, "Enforced")
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


def _nodes(nodes: Sequence[NodeFiles]) -> tuple[Table, list[str]]:
    table = _table("NODE", "STATE", "BUDGET(W)", "BOUND(W)", "DEMAND(W)", "GPUS", "ORDER")
    notes: list[str] = []
    for node in nodes:
        spec = node.order.spec if node.order else None
        now = node.answer
        notes += [f"{node.name} {gpu.uuid}: {gpu.reason}" for gpu in now.gpus if gpu.reason] if now else []
        table.add_row(
            node.name,
            now.state if now else "no agent",
            _watts(spec.budget_watts if spec else None),
            _watts(now.bound_watts if now else None),
            _watts(now.demand_watts if now else None),
            str(len(now.gpus)) if now else "-",
            _order(node),
        )
    return table, notes


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


def _pools(pools: Sequence[InferencePool]) -> tuple[Table, list[str]]:
    table = _table("POOL", "MODEL", "READY", "DRAW(W)", "REASON")
    notes: list[str] = []
    for pool in pools:
        now = pool.status
        ready = _condition(now.conditions if now else (), "Ready")
        table.add_row(
            full_name(pool),
            pool.spec.model,
            f"{now.ready_replicas}/{now.replicas}" if now else "-",
            _watts(now.draw_watts if now else None),
            ready.reason if ready else "-",
        )
        if ready is not None and ready.status is not ConditionStatus.TRUE:
            notes.append(f"{full_name(pool)}: {ready.message}")
    return table, notes


def _condition(conditions: Sequence[Condition], kind: str) -> Condition | None:
    return next((condition for condition in conditions if condition.type == kind), None)


def _watts(watts: float | None) -> str:
    return "-" if watts is None else f"{watts:.0f}"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column.endswith("(W)") else "left", no_wrap=True)
    return table
