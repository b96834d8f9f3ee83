"""Driver calls that do not come back: one agent in one state, its calls hanging one after the other.

Processes are real and time is sped up, so that a call takes about a second. What is looked at: the agent says so,
nobody is killed inside a driver call, and once the call comes back all is as asked.
"""

import tempfile
import traceback
from collections.abc import Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from conformance.adapter import Make, Word
from conformance.faults import Cell, Kind, Learned
from conformance.judge import Excuse
from conformance.pace import boot_seconds
from conformance.stage import CAP_WATTS, TIGHTER_WATTS, WIDE_WATTS, Stage, State
from conformance.table import Verdict
from wattline.fake.nvml import Call
from wattline.fake.nvml.layout import SETTERS

_TOLD = (Word.DEGRADED, Word.SILENT)
_TRIGGER_SECONDS = 25.0
"""World time for an agent to make a call that it makes only when something changed."""


def hang_all(
    make: Make,
    learned: Learned,
    states: Sequence[State],
    library: Path,
    *,
    workers: int,
    speed: float,
    patience_seconds: float,
) -> list[Verdict]:
    """Let every call hang in every state."""
    run = partial(hang_in, make, learned, library, speed, patience_seconds)
    with get_context("spawn").Pool(workers) as pool:
        return [verdict for found in pool.map(run, states, chunksize=1) for verdict in found]


def hang_in(
    make: Make, learned: Learned, library: Path, speed: float, patience_seconds: float, state: State
) -> list[Verdict]:
    """Let every call hang in one state, one after the other, under one agent."""
    verdicts: list[Verdict] = []
    with (
        tempfile.TemporaryDirectory(prefix="conformance-") as folder,
        Stage(make, Path(folder), library, speed=speed, patience_seconds=patience_seconds) as stage,
    ):
        if not stage.enter(state):
            stage.judge.complain(f"does not get to {state}; says {stage.agent.word()}")
        for call, of_gpu in learned.all:
            cell = Cell(call, of_gpu, Kind.HANG, state, restart=(call, of_gpu) not in learned.always)
            began = boot_seconds()
            reached, told, seconds = False, Word.SILENT, None
            try:
                reached, told, seconds = _hang(stage, cell)
            except Exception:  # noqa: BLE001 - whatever an agent or its adapter raises is a verdict on it
                stage.judge.complain(f"raised: {traceback.format_exc(limit=-3)}")
            complaints = tuple(stage.judge.complaints)
            stage.judge.complaints.clear()
            verdicts.append(Verdict(cell, complaints, reached, told, seconds, boot_seconds() - began))
    return verdicts


def _hang(stage: Stage, cell: Cell) -> tuple[bool, Word, float | None]:
    """Return whether the call came up, what the agent said meanwhile, and how long all took to be well again."""
    promises, judge, machine = stage.agent.promises, stage.judge, stage.machine
    before = stage.agent.processes()
    judge.excuse = Excuse(healthy=frozenset())
    judge.watching = False
    cell.strike(machine.faults)
    _trigger(stage, cell)
    reached = stage.pace.wait(_TRIGGER_SECONDS, lambda: cell.reached(machine, (0, 0)))
    if reached:
        told = stage.pace.wait(
            promises.notice_seconds + judge.grace_seconds, lambda: stage.agent.word() in _TOLD
        )
        if not told:
            judge.complain(f"says {stage.agent.word()} and nothing of a call that hangs")
    word = stage.agent.word()
    if stage.agent.processes() != before:
        judge.complain(f"a process was ended inside a driver call: {before} became {stage.agent.processes()}")
    machine.faults.clear()
    machine.bring_back()
    began = stage.pace.now()
    _go_back(stage, cell)
    well = stage.settled(cell.state.word, promises.recover_seconds)
    if not well:
        judge.complain(f"is not {cell.state} again after the call came back; says {stage.agent.word()}")
    judge.excuse, judge.watching = Excuse(), True
    return reached, word, stage.pace.now() - began if well else None


def _trigger(stage: Stage, cell: Cell) -> None:
    """Bring about what makes an agent call: another target, a release, a GPU that has to be looked for."""
    if not cell.restart:
        return
    if cell.call not in SETTERS:
        stage.machine.faults.lose(1)
    elif cell.state in {State.CAPPED, State.THERMAL}:
        if cell.call is Call.SET_POWER_LIMIT:
            stage.ask(TIGHTER_WATTS)
        else:
            stage.machine.hot.clear()
            stage.judge.ask(None, releasing=True)
            stage.agent.release()
            if cell.call is Call.LOCK_CLOCKS:
                stage.pace.wait(_TRIGGER_SECONDS, stage.machine.untouched)
                stage.ask(CAP_WATTS)


def _go_back(stage: Stage, cell: Cell) -> None:
    match cell.state:
        case State.CAPPED if stage.judge.sources.budget_watts != CAP_WATTS:
            stage.ask(CAP_WATTS)
        case State.THERMAL if stage.judge.sources.budget_watts != WIDE_WATTS or not stage.machine.hot:
            stage.machine.hot.add(0)
            stage.ask(WIDE_WATTS)
        case _:
            pass
