"""The table of faults and states: one agent's way through one cell, and what became of all of them."""

import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from conformance.adapter import Make, Word
from conformance.faults import DRAW_FIELDS, Cell, Kind
from conformance.machine import UUIDS
from conformance.pace import boot_seconds
from conformance.stage import CAP_WATTS, TIGHTER_WATTS, TIGHTEST_WATTS, WIDE_WATTS, Stage, State
from wattline.fake.nvml.layout import SETTERS

_CELLS_PER_PROCESS = 60
"""An agent inside a process leaves its locks there, one to a start."""
_A_STEP_SECONDS = 1.0
"""What is promised by a time is looked at after it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one cell."""

    cell: Cell
    complaints: tuple[str, ...]
    reached: bool
    """Whether the agent made the call at all while the fault stood."""
    told: Word
    """What it said of itself under the fault."""
    recover_seconds: float | None
    """World time from the fault's end until all was as asked again."""
    wall_seconds: float

    @property
    def passed(self) -> bool:
        """Whether every promise was kept."""
        return not self.complaints


def judge_cell(
    make: Make, cell: Cell, library: Path, *, speed: float = 1.0, patience_seconds: float = 0.0
) -> Verdict:
    """Take a fresh agent through one cell."""
    began = boot_seconds()
    with (
        tempfile.TemporaryDirectory(prefix="conformance-") as folder,
        Stage(make, Path(folder), library, speed=speed, patience_seconds=patience_seconds) as stage,
    ):
        run = _Run(stage, cell)
        try:
            run.play()
        except Exception:  # noqa: BLE001 - whatever an agent or its adapter raises is a verdict on it
            stage.judge.complain(f"raised: {traceback.format_exc(limit=-3)}")
        return Verdict(
            cell,
            tuple(stage.judge.complaints),
            run.reached,
            run.told,
            run.recover_seconds,
            boot_seconds() - began,
        )


class _Run:
    """One cell as it is played."""

    def __init__(self, stage: Stage, cell: Cell) -> None:
        self._stage = stage
        self._cell = cell
        self.reached = False
        self.told = Word.SILENT
        self.recover_seconds: float | None = None

    def play(self) -> None:
        stage, cell = self._stage, self._cell
        promises = stage.agent.promises
        if cell.needs_old_device:
            for gpu in range(len(UUIDS)):
                stage.machine.faults.hide_fields(gpu, *DRAW_FIELDS)
        if not stage.enter(cell.state):
            stage.judge.complain(f"does not get to {cell.state}; says {stage.agent.word()}")
            return
        stage.judge.excuse = cell.excuse
        self._strike()
        self._tell_the_truth(must=cell.must_tell)
        self._move_the_target()
        self._tell_the_truth(must=False)
        if cell.call in SETTERS and cell.state in {State.CAPPED, State.THERMAL}:
            self._release_and_come_back()
        self._end()
        if cell.state is State.IDLE:
            return
        if not stage.release(
            promises.contested_seconds if cell.kind is Kind.WRONG else promises.recover_seconds
        ):
            stage.judge.complain("does not put back what was there before")

    def _strike(self) -> None:
        stage, cell = self._stage, self._cell
        head = self._head()
        cell.strike(stage.machine.faults)
        if cell.restart:
            stage.agent.stop()
            stage.agent.start()
        stage.pace.wait(stage.agent.promises.notice_seconds + _A_STEP_SECONDS)
        self._note(head)

    def _move_the_target(self) -> None:
        """Down and up again where a target holds, under an emergency further up than anybody may follow."""
        stage, state = self._stage, self._cell.state
        notice = stage.agent.promises.notice_seconds + _A_STEP_SECONDS
        head = self._head()
        match state:
            case State.CAPPED:
                stage.ask(TIGHTER_WATTS)
                stage.pace.wait(notice)
                self._tell_the_truth(must=False)
                stage.ask(CAP_WATTS)
            case State.THERMAL:
                stage.ask(CAP_WATTS)
                stage.pace.wait(notice)
                self._tell_the_truth(must=False)
                stage.ask(WIDE_WATTS)
            case State.EMERGENCY:
                stage.ask(TIGHTEST_WATTS)
                stage.pace.wait(notice)
                self._tell_the_truth(must=False)
                stage.ask(WIDE_WATTS)
            case State.IDLE | State.FAILSAFE:
                pass
        stage.pace.wait(notice)
        self._note(head)

    def _release_and_come_back(self) -> None:
        """Some setters are called on the way back only."""
        stage = self._stage
        head, watts = self._head(), CAP_WATTS if self._cell.state is State.CAPPED else WIDE_WATTS
        hot = set(stage.machine.hot)
        stage.release(stage.agent.promises.notice_seconds)
        stage.machine.hot.update(hot)
        stage.ask(watts)
        stage.pace.wait(stage.agent.promises.notice_seconds + _A_STEP_SECONDS)
        self._note(head)

    def _end(self) -> None:
        stage, cell = self._stage, self._cell
        promises = stage.agent.promises
        stage.judge.watching = False
        stage.machine.faults.clear()
        stage.machine.bring_back()
        stage.judge.excuse = cell.excuse if cell.excuse.swapped else type(cell.excuse)()
        began = stage.pace.now()
        most = promises.contested_seconds if cell.kind is Kind.WRONG else promises.recover_seconds
        if stage.settled(cell.state.word, most):
            self.recover_seconds = stage.pace.now() - began
        else:
            stage.judge.complain(
                f"is not {cell.state} again {most:.0f} s after the fault; says {stage.agent.word()}"
            )
        stage.judge.watching = True

    def _tell_the_truth(self, *, must: bool) -> None:
        """An agent that says all is well is inside its sources; one that misses what it needs says so."""
        stage = self._stage
        self.told = stage.agent.word()
        well = self.told not in {Word.DEGRADED, Word.SILENT}
        if well and not stage.judge.inside():
            stage.judge.complain(f"says {self.told} though it is not")
        if well and must and self.reached:
            stage.judge.complain(f"says {self.told} and nothing of the fault")

    def _head(self) -> tuple[int, int]:
        node = self._stage.machine.mapping.node
        return int(node.call_head), int(node.setter_head)

    def _note(self, head: tuple[int, int]) -> None:
        """Note whether the call came up."""
        self.reached |= self._cell.reached(self._stage.machine, head)


def judge_cells(
    make: Make,
    table: Sequence[Cell],
    library: Path,
    *,
    workers: int,
    speed: float = 1.0,
    patience_seconds: float = 0.0,
) -> list[Verdict]:
    """Take an agent through all cells, several at a time."""
    judged = partial(judge_cell, make, library=library, speed=speed, patience_seconds=patience_seconds)
    with get_context("spawn").Pool(workers, maxtasksperchild=_CELLS_PER_PROCESS) as pool:
        return pool.map(judged, table, chunksize=1)
