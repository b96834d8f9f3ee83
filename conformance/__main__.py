"""``python -m conformance``: judge an agent, and print what it kept and what not; the exit code is 0 if it kept all."""

import argparse
import importlib
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from conformance import points, report
from conformance.adapter import Make
from conformance.faults import Kind, cells, learn
from conformance.figures import follow
from conformance.hangs import hang_all
from conformance.kills import Ending, kill_all, plan
from conformance.stage import Stage, State
from conformance.table import Verdict, judge_cells
from wattline.fake.nvml import build

PARTS = ("table", "hangs", "figures", "kills")
QUICK_KILLS, FULL_KILLS = 50, 1000
BUSY_SECONDS = 10.0
_MEMORY = "/dev/shm"  # noqa: S108 - a disk's own pace is not what is judged; TMPDIR names another place
_WAITING = 2
"""Agents with processes mostly wait, so twice as many at a time; where figures count, one a core."""
_SPED_UP_PATIENCE_SECONDS = 2.0
"""Least patience where time is sped up: waking a process takes wall time there too."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; 0 if every promise was kept."""
    asked = _parser().parse_args(arguments)
    if asked.kills is None:
        asked.kills = FULL_KILLS if asked.full else QUICK_KILLS
    if asked.patience is None:
        asked.patience = 0.0 if asked.full else BUSY_SECONDS
    agent = _named(asked.agent)
    virtual = _named(asked.virtual) if asked.virtual else None
    began = time.monotonic()
    if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK):
        os.environ["TMPDIR"] = _MEMORY
    promises = agent.promises
    print(f"{promises.name}: {'full' if asked.full else 'quick'} form, seed {asked.seed}, {_machine()}")
    with tempfile.TemporaryDirectory(prefix="conformance-") as name:
        folder = Path(name)
        library = build(folder / "lib", os.environ.get("CC", "cc")).parent
        judged, endings, more = _judge(asked, agent, virtual, folder, library)
    broken = [*report.complaints(judged, endings), *more]
    for what in broken:
        print(f"BROKEN {what}")
    print(
        f"{'no promise was' if not broken else f'{len(broken)} promises were'} broken in {time.monotonic() - began:.0f} s"
    )
    return 1 if broken else 0


def _judge(
    asked: argparse.Namespace, agent: Make, virtual: Make | None, folder: Path, library: Path
) -> tuple[list[Verdict], list[Ending], list[str]]:
    fast, sped = virtual or agent, max(asked.patience, _SPED_UP_PATIENCE_SECONDS)
    verdicts: list[Verdict] = []
    endings: list[Ending] = []
    broken: list[str] = []
    learned = learn(fast, folder / "learn", library, speed=asked.speed)
    states = [state for state in State if state.promised(fast.promises)]
    if "table" in asked.parts:
        kinds = [kind for kind in Kind if kind is not Kind.HANG]
        verdicts += judge_cells(
            fast,
            cells(learned, states, kinds, full=asked.full),
            library,
            workers=asked.workers,
            speed=asked.speed,
            patience_seconds=sped,
        )
    if "hangs" in asked.parts:
        verdicts += hang_all(
            agent,
            learned,
            [
                state for state in states if asked.full or state is not State.EMERGENCY
            ],  # beside the others' cores
            library,
            workers=_WAITING * asked.workers,
            speed=asked.speed,
            patience_seconds=sped,
        )
    if verdicts:
        print("\n".join([*report.calls(verdicts), "", *report.table(verdicts), ""]))
    if "figures" in asked.parts:
        for slow in (False, True):
            seconds, found = follow(
                agent, library, slow=slow, rounds=10 if asked.full else 2, patience_seconds=asked.patience
            )
            broken += found
            print(report.times(f"inside a tighter target{', slow driver' if slow else ''}", seconds))
        print()
    if "kills" in asked.parts:
        endings = _kill(asked, agent, folder, library)
        print("\n".join([*report.kills(endings), ""]))
        print(
            report.times(
                "inside again after a restart", (e.restart_seconds for e in endings if e.restart_seconds)
            )
        )
    return verdicts, endings, broken


def _kill(asked: argparse.Namespace, agent: Make, folder: Path, library: Path) -> list[Ending]:
    promises = agent.promises
    with Stage(agent, folder / "names", library, speed=asked.speed) as stage:
        stage.start()
        stage.pace.wait(3.0 * asked.speed, lambda: len(stage.agent.processes()) > 2)
        victims = tuple(stage.agent.processes())
    ends = plan(victims, asked.kills, Random(asked.seed), has_file=bool(promises.writer))
    return kill_all(
        agent,
        ends,
        library,
        points.build(folder / "points", os.environ.get("CC", "cc")),
        workers=asked.workers if asked.full else _WAITING * asked.workers,
        restart_seconds=promises.restart_seconds + asked.patience,
        slow_ratio=0.5 if asked.full else 0.2,
        patience_seconds=asked.patience,
    )


def _named(text: str) -> Make:
    module, _, name = text.partition(":")
    found: Make = getattr(importlib.import_module(module), name)
    return found


def _machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    parser.add_argument("--agent", default="conformance.ours:Processes", help="MODULE:CLASS of the adapter")
    parser.add_argument(
        "--virtual", default=None, help="MODULE:CLASS of an adapter in virtual time, for the table of faults"
    )
    parser.add_argument(
        "--speed", type=float, default=20.0, help="world seconds to a second, where an agent knows it"
    )
    parser.add_argument("--full", action="store_true", help="every code and value, and every end by a kill")
    parser.add_argument(
        "--kills", type=int, default=None, help=f"how many ends (default {QUICK_KILLS}, full {FULL_KILLS})"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the instants and the order of ends")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2)
    parser.add_argument(
        "--patience",
        type=float,
        default=None,
        help="wall seconds added to every deadline of an agent with processes: a busy machine is no broken promise (default 10, full 0)",
    )
    parser.add_argument(
        "parts", nargs="*", default=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}; all by default"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
