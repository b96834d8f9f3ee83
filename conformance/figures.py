"""How fast an agent follows, in wall seconds: the same moves on a driver that is quick and on one that is slow."""

import tempfile
from pathlib import Path

from conformance.adapter import Make, Word
from conformance.kills import TARGETS_WATTS
from conformance.stage import WIDE_WATTS, Stage, State


def follow(
    make: Make, library: Path, *, slow: bool, rounds: int, patience_seconds: float
) -> tuple[list[float], list[str]]:
    """Move target and heat; return how long each tighter one took to be kept, and what was broken."""
    with (
        tempfile.TemporaryDirectory(prefix="conformance-") as folder,
        Stage(make, Path(folder), library, slow=slow, patience_seconds=patience_seconds) as stage,
    ):
        if not stage.enter(State.CAPPED):
            stage.judge.complain(f"does not get to capped; says {stage.agent.word()}")
        stage.judge.tighten_seconds.clear()  # the first includes what a start needs
        for watts in TARGETS_WATTS * rounds:
            stage.ask(watts)
            if not stage.settled(Word.CAPPED):
                stage.judge.complain(f"does not follow a target of {watts:.0f} W; says {stage.agent.word()}")
        if stage.agent.promises.thermal:
            stage.ask(WIDE_WATTS)
            stage.settled(Word.CAPPED)
            stage.heat(0)
            stage.settled(Word.THERMAL)
        if not stage.release(stage.agent.promises.recover_seconds):
            stage.judge.complain("does not put back what was there before")
        return stage.judge.tighten_seconds, stage.judge.complaints
