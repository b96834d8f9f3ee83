"""A recording: the runs of a trace, each of which can be played any number of times."""

from array import array
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, overload

from wattline.model.context import Context, Extent
from wattline.model.runs import Run, Turn
from wattline.sim.notes import Note


class TraceError(ValueError):
    """A trace file does not hold what its format promises; place and remedy in the message."""


@dataclass(frozen=True, slots=True)
class Session:
    """Runs of one person or program one after another; all but Claude Code's have one run."""

    runs: tuple[Run, ...]

    think_seconds: tuple[float, ...]
    """Human think time before each run, 0 before the first."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The sessions of one trace, in its order."""

    sessions: Sequence[Session]

    starts: Sequence[float] = ()
    """When each session began, in seconds from the first, ascending; empty where the trace does not say."""

    source: str = ""
    """The format it was in, and the file or folder."""

    notes: tuple[Note, ...] = ()
    """What its reader noticed and went on."""

    drawn: bool = False
    """The sessions are drawn from distributions, at the rate that was asked for."""

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every run of every session."""
        return tuple(self.each())

    def each(self) -> Iterator[Run]:
        """Yield every run of every session; those of traces of single calls are made as they come."""
        return (run for session in self.sessions for run in session.runs)

    @property
    def run_count(self) -> int:
        """How many runs all sessions have."""
        if isinstance(self.sessions, Calls):
            return len(self.sessions)
        return sum(len(session.runs) for session in self.sessions)

    def unshared(self) -> "Recording":
        """Return it as if no two sessions had an opening prompt in common."""
        if isinstance(self.sessions, Calls):
            return self
        return replace(self, sessions=unshared(self.sessions))


class Shared(NamedTuple):
    """Name of a token stream that is the same in every play of a recording: a harness's opening prompt."""

    harness: str


class Played(NamedTuple):
    """Name of a token stream of one play."""

    stream: object
    play: Hashable


@dataclass(frozen=True, slots=True)
class Common:
    """Name of a token stream that several sessions of one play share: the blocks of a trace with block hashes."""

    name: str


class Calls(Sequence[Session]):
    """Sessions of one call each that share nothing; kept as numbers, made when asked for."""

    def __init__(self, name: str, harness: str) -> None:
        self._name = name
        self._harness = harness
        self._prompts = array("q")
        self._outputs = array("q")
        self._images = array("l")

    def add(self, prompt_tokens: int, output_tokens: int, images: int = 0) -> None:
        """Append a call."""
        self._prompts.append(prompt_tokens)
        self._outputs.append(output_tokens)
        self._images.append(images)

    def __len__(self) -> int:
        return len(self._prompts)

    @overload
    def __getitem__(self, index: int) -> Session: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Session, ...]: ...

    def __getitem__(self, index: int | slice) -> Session | tuple[Session, ...]:
        if isinstance(index, slice):
            return tuple(self[each] for each in range(*index.indices(len(self))))
        index = range(len(self))[index]
        return self._made(index, f"{self._name}-{index}", self._harness, "")

    def again(self, index: int, play: int, part: "Part | None" = None) -> Session:
        """Return what `again` makes of a session, at once."""
        name = f"{self._name}-{index}#{play}"
        if part is None:
            return self._made(index, name, self._harness, "")
        return self._made(
            index, f"{part.name}/{name}", part.harness or self._harness, part.tenant or part.name
        )

    def longest(self) -> tuple[int, int]:
        """Return which call needs most tokens, and how many."""
        found = max(range(len(self)), key=lambda index: self._prompts[index] + self._outputs[index])
        return found, self._prompts[found] + self._outputs[found]

    def _made(self, index: int, name: str, harness: str, tenant: str) -> Session:
        prompt, output = self._prompts[index], self._outputs[index]
        turn = Turn(
            (Extent((name, "prompt"), 0, prompt),),
            Extent((name, "output"), 0, output),
            0.0,
            "",
            self._images[index],
        )
        return Session((Run(name, name, harness, (turn,), tenant),), (0.0,))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Calls):
            return NotImplemented
        return self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # it grows


def again(session: Session, play: Hashable, part: "Part | None" = None) -> Session:
    """Return the session as one of its repetitions: its own tokens are new, a shared opening is not.

    As a part of a mix its runs also carry the part's name and labels.
    """
    return replace(session, runs=tuple(_again(run, play, part) for run in session.runs))


@dataclass(frozen=True, slots=True)
class Part:
    """Labels of the runs of one trace among several."""

    name: str
    tenant: str = ""
    harness: str = ""
    """Instead of the trace's own; empty keeps it."""


def _again(run: Run, play: Hashable, part: Part | None) -> Run:
    number = play
    if part is not None:
        play = (part.name, play)
    names: dict[object, Played] = {}

    def new(extent: Extent) -> Extent:
        if isinstance(extent.stream, Shared):
            return extent
        stream = names.setdefault(extent.stream, Played(extent.stream, play))
        return Extent(stream, extent.start, extent.end)

    turns = tuple(
        Turn(
            tuple(new(each) for each in turn.context),
            new(turn.output),
            turn.gap_seconds,
            turn.tool,
            turn.images,
        )
        for turn in run.turns
    )
    run = replace(run, id=f"{run.id}#{number}", session=f"{run.session}#{number}", turns=turns)
    if part is None:
        return run
    return replace(
        run,
        id=f"{part.name}/{run.id}",
        session=f"{part.name}/{run.session}",
        harness=part.harness or run.harness,
        tenant=part.tenant or run.tenant or part.name,
    )


class Writer:
    """Makes contexts from prompt sizes where a trace has no block hashes.

    A prompt continues the one before it. Where it grew by at least what was generated, the generated tokens
    are taken to stand in it; where it grew by less (thinking is dropped), they are not, and where it shrank
    (compaction) only the opening is still shared.
    """

    def __init__(self, name: str, harness: str, opening_tokens: int) -> None:
        self._name = name
        self._opening = Extent(Shared(harness), 0, opening_tokens)
        self._shrunk = 0
        self._prompt_tokens = 0

    def turn(
        self, prompt_tokens: int, output_tokens: int, gap_seconds: float, next_prompt_tokens: int
    ) -> Turn:
        """Return the next turn; ``next_prompt_tokens`` is that of the turn after it, 0 after the last."""
        if prompt_tokens < self._prompt_tokens:
            self._shrunk += 1
        self._prompt_tokens = prompt_tokens
        stream = (self._name, self._shrunk)
        opening = Extent(self._opening.stream, 0, min(self._opening.end, prompt_tokens))
        own = Extent(stream, 0, prompt_tokens - opening.end)
        kept = next_prompt_tokens >= prompt_tokens + output_tokens
        output = (
            Extent(stream, own.end, own.end + output_tokens)
            if kept
            else Extent((self._name, self._shrunk, own.end), 0, output_tokens)
        )
        context: Context = (opening, own) if own.tokens else (opening,)
        return Turn(context if opening.tokens else context[1:], output, gap_seconds)


def unshared(sessions: Iterable[Session]) -> tuple[Session, ...]:
    """Return the sessions with every opening prompt a run's own, as if no two runs had a harness in common."""
    return tuple(replace(session, runs=tuple(_unshared(run) for run in session.runs)) for session in sessions)


def _unshared(run: Run) -> Run:
    def own(extent: Extent) -> Extent:
        if isinstance(extent.stream, Shared):
            return Extent((run.session, extent.stream.harness), extent.start, extent.end)
        if isinstance(extent.stream, Common):
            return Extent((run.session, extent.stream.name), extent.start, extent.end)
        return extent

    turns = tuple(
        replace(turn, context=tuple(own(extent) for extent in turn.context), output=own(turn.output))
        for turn in run.turns
    )
    return replace(run, turns=turns)


def chained(
    writer: Writer, calls: Sequence[tuple[int, int, float]], tools: Sequence[str] = ()
) -> tuple[Turn, ...]:
    """Return the turns of calls given as prompt tokens, output tokens and the gap after each, and what the gaps are."""
    following = [prompt for prompt, _, _ in calls[1:]] + [0]
    turns = tuple(
        writer.turn(prompt, output, gap, after)
        for (prompt, output, gap), after in zip(calls, following, strict=True)
    )
    if not tools:
        return turns
    return tuple(replace(turn, tool=tool) for turn, tool in zip(turns, tools, strict=True))
