"""What the demo shows while it runs: a live screen on a terminal, a line every few seconds elsewhere."""

import sys
from types import TracebackType
from typing import Protocol, Self

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from wattline.demo.result import FleetSecond, PassResult
from wattline.demo.stage import Stage
from wattline.demo.table import FULL_MEMORY, kilowatts

PLAIN_EVERY_SECONDS = 60.0
"""World time between two plain lines."""
_SPARKS = "▁▂▃▄▅▆▇█"
_HISTORY = 60


class View(Protocol):
    """Shows a pass as it goes."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""

    def show(self, stage: Stage) -> None:
        """Show what there is now."""

    def say(self, line: str) -> None:
        """Print one line that stays."""


def view() -> View:
    """Return the view that fits where we print to."""
    console = Console()
    return LiveView(console) if console.is_terminal else PlainView()


class PlainView:
    """A line now and then."""

    def __init__(self) -> None:
        self._shown = ("", 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stdout.flush()

    def show(self, stage: Stage) -> None:
        """Print a line if the last one is old enough."""
        name, at = self._shown
        now = stage.passed_seconds
        if stage.result.seconds and (name != stage.plan.name or now >= at + PLAIN_EVERY_SECONDS):
            self._shown = (stage.plan.name, now)
            self.say(f"  {now:4.0f} s  {summary(stage)}")

    def say(self, line: str) -> None:
        """Print one line."""
        click.echo(line)


class LiveView:
    """The whole fleet on one screen."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, stage: Stage) -> None:
        """Draw the screen anew."""
        if stage.result.seconds:
            self._live.update(_screen(stage), refresh=True)

    def say(self, line: str) -> None:
        """Print one line above the screen."""
        self._console.print(line, highlight=False)


def summary(stage: Stage) -> str:
    """Return one line: watts, memory, temperature and runs."""
    result, second = stage.result, stage.result.seconds[-1]
    budget = f" of {kilowatts(stage.plan.budget_watts)}" if stage.plan.budget_watts else ""
    resident = result.resident[-1].fleet_share if result.resident else 0.0
    return (
        f"{kilowatts(second.watts)}{budget} · resident {resident:.0%} · "
        f"hottest {max(gpu.celsius for gpu in second.gpus):.0f} °C · {runs(result)}"
    )


def runs(result: PassResult) -> str:
    """Return where the runs are."""
    started = [outcome for outcome in result.outcomes if outcome.turns]
    failed = sum(outcome.failure is not None for outcome in result.outcomes)
    working = len(started) - result.runs_done - failed
    waiting = len(result.outcomes) - len(started)
    parts = [
        f"{result.runs_done}/{result.runs_offered} runs done",
        f"{working} at work",
        f"{waiting} waiting to start",
    ]
    return ", ".join(parts + ([f"{failed} failed"] if failed else []))


def _screen(stage: Stage) -> Group:
    result, second = stage.result, stage.result.seconds[-1]
    budget = stage.plan.budget_watts
    top = budget or sum(gpu.limit_watts for gpu in second.gpus)
    over = budget is not None and second.watts > budget
    heading = Text(f"{stage.plan.name}  {stage.passed_seconds:.0f} s", style="bold")
    heading.append(f"   {summary(stage)}", style="none")
    history = [one.watts for one in result.seconds[-_HISTORY:]]
    draw = Table.grid(padding=(0, 2))
    draw.add_row(
        ProgressBar(
            total=top, completed=min(second.watts, top), width=40, complete_style="red" if over else "green"
        ),
        Text(_spark(history, top), style="cyan"),
        Text(f"of {kilowatts(top)}", style="dim"),
    )
    return Group(heading, draw, _gpus(result, second))


def _gpus(result: PassResult, second: FleetSecond) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("engine", "watts", "limit", "clock", "°C", "resident", "running", "waiting"):
        table.add_column(name, justify="left" if name == "engine" else "right")
    shares = result.resident[-1].shares if result.resident else ()
    for index, (engine, gpus) in enumerate(second.groups()):
        share = shares[index] if index < len(shares) else 0.0
        for place, gpu in enumerate(gpus):
            first = place == 0
            table.add_row(
                engine.name if first else "",
                f"{gpu.watts:.0f} W",
                f"{gpu.limit_watts:.0f} W",
                f"{gpu.clock_mhz}",
                f"{gpu.celsius:.0f}",
                Text(f"{share:.0%}" if first else "", style="red" if share >= FULL_MEMORY else ""),
                f"{engine.running}" if first else "",
                f"{engine.waiting}" if first else "",
            )
    return table


def _spark(values: list[float], top: float) -> str:
    last = len(_SPARKS) - 1
    return "".join(_SPARKS[min(last, max(0, round(value / top * last)))] for value in values)
