"""What agents are played: one trace or several, each with its arrivals, its share of the load and its labels."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from random import Random

from wattline.model.sums import in_order
from wattline.sim import arrivals, traces
from wattline.sim.generate import generate
from wattline.sim.notes import Note, Notes
from wattline.sim.recording import Calls, Part, Recording, TraceError
from wattline.sim.schedule import Schedule, Together

GENERATED_RUNS = 68
"""As many as the recorded runs that the generator is shaped like."""

OWN = "own"
POISSON = "poisson"


@dataclass(frozen=True, slots=True)
class Source:
    """One trace and how it is played."""

    trace: Path | None = None
    """File or folder; generated runs when unset."""
    name: str = ""
    """Of a part of a mix: its draws and its runs are named by it; empty for a trace that stands alone."""
    weight: float = 1.0
    """Share of the mix's rate, relative to the other parts'."""
    rate_per_second: float | None = None
    """Runs per second of this part alone, instead of a share."""
    arrivals: str | None = None
    """``own`` (as recorded), ``poisson``, or another trace's path; where unset, own ones if the trace has them and
    else Poisson."""
    tenant: str = ""
    """Of its runs; a part's name where unset."""
    harness: str = ""
    """Instead of the trace's own."""
    workload: str | None = None
    """Which one, where the file holds several."""
    origin: str = ""
    """Where the trace is from, as people read it; its path where unset."""

    def __str__(self) -> str:
        name = f"{self.name}=" if self.name else ""
        weight = f":{self.weight:g}" if self.weight != 1 else ""
        rate = f" at {self.rate_per_second:g} runs/s" if self.rate_per_second is not None else ""
        return f"{name}{self.origin or self.trace or 'generated'}{weight}{rate}"

    def said(self, text: str) -> str:
        """Return a text about the trace with its origin in place of its path."""
        return text.replace(str(self.trace), self.origin) if self.origin else text

    @property
    def recorded(self) -> bool:
        """Whether it needs no rate to be asked for: it has one, or its arrivals stand as recorded."""
        if self.rate_per_second is not None or self.arrivals not in {None, POISSON}:
            return True
        return self.arrivals is None and self.timed

    @property
    def timed(self) -> bool:
        """Whether the trace says when its sessions began."""
        return self.trace is not None and traces.timed(self.trace)

    @property
    def files(self) -> tuple[Path, ...]:
        """What is read."""
        moments = () if self.arrivals in {None, OWN, POISSON} else (Path(str(self.arrivals)),)
        return (*(() if self.trace is None else (self.trace,)), *moments)


@dataclass(frozen=True, slots=True)
class Work:
    """Arrivals in time order, which every iteration makes anew, and what is to be said of them."""

    arrivals: Schedule | Together
    told: tuple[str, ...]
    """Which formats were taken, with their files."""
    notes: tuple[Note, ...]
    """What readers noticed."""


def work(
    sources: tuple[Source, ...],
    *,
    rate_per_second: float | None,
    hours: float,
    seed: int | str,
    shared_prefix: bool = True,
    load: float = 1.0,
    default_rate_per_second: float = 0.01,
    stream: str = "",
    longest_tokens: int | None = None,
) -> Work:
    """Return the arrivals of one trace, or of a mix.

    ``rate_per_second`` is of runs of all parts together; where unset, arrivals that were recorded stand as they are and
    the others come at the default rate. ``load`` multiplies every rate, and lets recorded time pass so much faster. Every part draws from streams of its own, named by the seed and the part, so
    that a part more or less moves no draw of another; ``stream`` sets one work's draws apart from another's of the same
    seed. Runs that need more than ``longest_tokens`` are counted. Raises `TraceError`, also where no run is left.
    """
    check(sources)
    draws = f"{seed}/{stream}" if stream else seed
    if not load > 0:
        raise TraceError(f"load {load:g}: expected a factor above 0")
    shares = in_order(source.weight for source in sources if source.rate_per_second is None)
    notes = Notes()
    parts: list[Schedule] = []
    told: list[str] = []
    seen: list[Note] = []
    for source in sources:
        rate = source.rate_per_second
        share = source.weight / shares if shares else 0.0
        if rate is None and rate_per_second is not None:
            rate = rate_per_second * share
        if rate is not None:
            rate *= load
        drawn_hours = hours * (load if rate is None else 1.0)
        recording = _recording(source, rate, drawn_hours, seed, draws, shared_prefix=shared_prefix)
        told.append(source.said(recording.source))
        seen.extend(replace(note, first=source.said(note.first)) for note in recording.notes)
        long = None if longest_tokens is None else too_long(recording, longest_tokens)
        if long is not None and long.count == recording.run_count:
            raise TraceError(
                f"{told[-1] or 'generated runs'}: no run can be played: {long}; play a shorter trace, or give a "
                "replica more GPUs or a model of longer contexts"
            )
        seen.extend(() if long is None else (replace(long, first=source.said(long.first)),))
        if rate is None and _how(source, recording) == POISSON:
            rate = default_rate_per_second * share * load
        parts.append(_schedule(source, recording, rate, hours, draws, load, notes))
    together = parts[0] if len(parts) == 1 else Together(tuple(parts))
    return Work(together, tuple(text for text in told if text), (*seen, *notes.all()))


def too_long(recording: Recording, longest_tokens: int) -> Note | None:
    """Return how many runs need more KV memory than there is anywhere; None where all fit."""
    if isinstance(recording.sessions, Calls) and recording.sessions.longest()[1] <= longest_tokens:
        return None
    found = [run for run in recording.each() if run.longest_tokens > longest_tokens]
    if not found:
        return None
    worst = max(found, key=lambda run: run.longest_tokens)
    what = (
        f"runs that need more than the {longest_tokens:,} tokens that a replica can hold of one run, not started; the "
        f"longest needs {worst.longest_tokens:,}"
    )
    return Note(what, len(found), f"{recording.source or 'generated runs'}: run {found[0].id}")


def check(sources: tuple[Source, ...]) -> None:
    """Raise `TraceError` where traces cannot be played together."""
    names = [source.name for source in sources]
    if not sources:
        raise TraceError("no trace to play")
    if len(sources) > 1 and "" in names:
        raise TraceError("several traces need names, to draw and to report by: NAME=PATH")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TraceError(f"two traces are named {twice[0]}; give them different names")
    for source in sources:
        if not source.weight > 0 or (source.rate_per_second is not None and not source.rate_per_second > 0):
            raise TraceError(f"trace {source.name or source.trace}: weight and rate must be above 0")


def _recording(
    source: Source,
    rate: float | None,
    hours: float,
    seed: int | str,
    draws: int | str,
    *,
    shared_prefix: bool,
) -> Recording:
    if source.trace is None:
        return _generated(f"{seed}/{source.name}/runs" if source.name else seed, shared_prefix)
    return _loaded(
        source.trace, shared_prefix, f"{draws}/{source.name}/lengths", hours, rate, source.workload
    )


def _schedule(
    source: Source,
    recording: Recording,
    rate: float | None,
    hours: float,
    seed: int | str,
    load: float,
    notes: Notes,
) -> Schedule:
    part = None
    starting = dealing = Random(seed)
    if source.name:
        part = Part(source.name, source.tenant, source.harness)
        starting = Random(f"{seed}/{source.name}/arrivals")
        dealing = Random(f"{seed}/{source.name}/deal")
    how = _how(source, recording)
    faster = load if rate is None else 1.0
    if how == OWN:
        return arrivals.own(recording, rate, hours, load=faster, part=part)
    if how == POISSON:
        moments = arrivals.poisson(rate or 0.0, hours, starting)
    else:
        moments = arrivals.recorded(Path(how), rate, hours * faster, starting, notes)
    return arrivals.dealt(recording, arrivals.faster(moments, faster), dealing, part)


def _how(source: Source, recording: Recording) -> str:
    return source.arrivals or (OWN if recording.starts else POISSON)


@lru_cache(maxsize=4)
def _generated(seed: int | str, shared: bool) -> Recording:
    return generate(GENERATED_RUNS, seed, shared_prefix=shared)


@lru_cache(maxsize=4)
def _loaded(
    path: Path, shared: bool, seed: str, hours: float, rate: float | None, workload: str | None
) -> Recording:
    return traces.load(
        path, shared_prefix=shared, seed=seed, hours=hours, rate_per_second=rate, workload=workload
    )
